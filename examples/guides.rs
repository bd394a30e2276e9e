//! The Rust of the guides in `docs/`, which is compiled with the tests.

#[cfg(doctest)]
#[doc = include_str!("../docs/from-asymmetric-jwt-auth.md")]
mod from_asymmetric_jwt_auth {}

#[cfg(doctest)]
#[doc = include_str!("../docs/from-jwthenticator.md")]
mod from_jwthenticator {}

#[cfg(doctest)]
#[doc = include_str!("../docs/from-pyramid-jwtauth.md")]
mod from_pyramid_jwtauth {}
