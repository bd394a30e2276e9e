//! Whom signed requests may or must be for (`aud`).

use countersign_core::Binding;

use crate::failure::Failure;

/// The names that this service goes by in signed requests, and whether they must have one.
#[derive(Clone, Debug)]
pub(crate) struct Audiences {
    pub(crate) names: Vec<String>,
    pub(crate) binding: Binding,
}

impl Audiences {
    /// From `audiences` and `required_audience`.
    pub(super) fn resolve(
        names: Option<Vec<String>>,
        required: Option<String>,
    ) -> Result<Self, Failure> {
        let names = names.unwrap_or_default();
        let Some(required) = required else {
            return Ok(Self { names, binding: Binding::Free });
        };
        if required.is_empty() {
            return Err(Failure::usage("required_audience is empty, expected a region's name"));
        }
        // A second name is one that other regions may have too.
        if !names.is_empty() {
            return Err(Failure::usage(
                "required_audience is set beside audiences: signed requests must then be for that one name, leave audiences out",
            ));
        }
        Ok(Self { names: vec![required], binding: Binding::Audience })
    }
}
