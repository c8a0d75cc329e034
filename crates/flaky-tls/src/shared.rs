//! What all connections of a server share.

use std::sync::Arc;

use http::HeaderName;

use crate::authority::Identities;
use crate::http_versions::HttpVersions;
use crate::ledger::Ledger;
use crate::playing::Playing;
use crate::scenario::Scenario;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) playing: Playing<Scenario>,
    pub(crate) identities: Identities,
    pub(crate) http: HttpVersions,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) id_header: HeaderName,
    pub(crate) body_limit: usize,
}
