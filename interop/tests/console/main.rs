//! The console in a real browser, as an operator uses it and as an attacker would.

mod access;
mod accounts;
mod attacks;
mod credentials;
mod looking;
mod operator;
mod sign_in;
