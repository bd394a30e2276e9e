//! Asks the service whether a token is good.

use async_trait::async_trait;
use countersign_core::ports::{TokenValidator, ValidatorError};
use serde::{Deserialize, Serialize};

use crate::call::CallError;
use crate::service::Service;

const UNAUTHORIZED: u16 = 401;

#[derive(Serialize)]
struct Validate<'a> {
    jwt: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    result: bool,
}

/// Asks `POST /validate`, for a service that takes the tokens of a Countersign server
/// and wants a revocation to hold on its next request.
///
/// The service's [`RetryPolicy`](crate::RetryPolicy) holds here, too: a caller waits
/// for all attempts.
#[async_trait]
impl TokenValidator for Service {
    async fn validate(&self, token: &str) -> Result<bool, ValidatorError> {
        let answer: Result<Answer, _> = self.post("validate", &Validate { jwt: token }).await;
        match answer {
            Ok(answer) => Ok(answer.result),
            Err(CallError::Status(UNAUTHORIZED)) => Ok(false),
            Err(error) => Err(ValidatorError(error.to_string())),
        }
    }
}
