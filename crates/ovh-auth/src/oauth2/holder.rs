//! What all services of one layer have in common.

use super::tokens::Tokens;
use crate::endpoint::Endpoint;

#[derive(Debug)]
pub(crate) struct Holder {
    pub(super) endpoint: Endpoint,
    pub(super) tokens: Tokens,
}
