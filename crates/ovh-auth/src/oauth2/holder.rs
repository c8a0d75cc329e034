//! What all services of one layer have in common.

use http::Request;

use super::token::Token;
use super::tokens::Tokens;
use crate::authenticate::Authenticate;
use crate::basis::Basis;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
use crate::failure::Failure;
use crate::kept::{Held, Lookup};

#[derive(Debug)]
pub(crate) struct Holder {
    pub(super) endpoint: Endpoint,
    pub(super) tokens: Tokens,
}

impl<B> Authenticate<B, Token> for Holder {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn given(&self, basis: &Basis) -> Option<Held<Token>> {
        basis.as_token().filter(|held| held.value.is_good()).cloned()
    }

    fn look_up(&self) -> Lookup<Token> {
        self.tokens.look_up()
    }

    fn authenticate(&self, request: &mut Request<B>, held: &Held<Token>) -> Result<(), AuthError> {
        held.value.authorise(request);
        Ok(())
    }

    fn error(failure: &Failure) -> AuthError {
        AuthError::token(failure)
    }
}
