//! How the document describes the core's names: the core itself knows nothing of it.

use utoipa::ToSchema;

/// The unique name of an account: printable characters with no blank at either end, at
/// most 255 bytes in UTF-8.
#[derive(ToSchema)]
#[schema(as = AccountName, value_type = String, min_length = 1, max_length = 255)]
pub(super) struct Account(#[expect(dead_code, reason = "only its schema is wanted")] String);

/// The name of a group.
#[derive(ToSchema)]
#[schema(as = GroupName, value_type = String, pattern = "^[A-Za-z0-9._:/-]{1,64}$")]
pub(super) struct Group(#[expect(dead_code, reason = "only its schema is wanted")] String);
