//! The messages and the service of `books.proto`.

#![expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "the code is generated"
)]

tonic::include_proto!("example.books");
