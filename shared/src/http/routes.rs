//! Every route of the API, as data (docs/CONTRACT.md §1).
//!
//! The routers, the audit line, the authorization check and the test of `template.yaml` all use these rows.

use crate::domain::scope::Right;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use http::Method;

/// A route of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: Verb,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// The Lambda function that serves it.
    pub function: Function,
    /// The operation, as named in the audit line.
    pub operation: Operation,
    /// The right that the API key needs (KEY-08).
    pub right: Right,
}

/// The HTTP methods of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Verb {
    /// `GET`, which also answers `HEAD`.
    Get,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

/// The Lambda functions, named like their directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Function {
    /// Enrolls factors.
    Enroll,
    /// Challenges factors, and sends text messages.
    Challenge,
    /// Verifies codes.
    Verify,
    /// Shows, lists and deletes factors.
    Factors,
}

/// The operation of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    /// Enroll a factor.
    Enroll,
    /// Challenge a factor.
    Challenge,
    /// Verify a code.
    Verify,
    /// Show a factor.
    Read,
    /// List a user's factors.
    List,
    /// Delete a factor.
    Delete,
    /// Create a user's recovery codes.
    CreateRecoveryCodes,
    /// Show how many of them are left.
    ReadRecoveryCodes,
    /// Delete them.
    DeleteRecoveryCodes,
    /// Verify one of them.
    VerifyRecoveryCode,
}

macro_rules! routes {
    ($($name:ident: $method:ident $path:literal, $function:ident, $operation:ident, $right:ident;)*) => {
        $(pub(super) static $name: Route = Route {
            method: Verb::$method,
            path: $path,
            function: Function::$function,
            operation: Operation::$operation,
            right: Right::$right,
        };)*

        /// Every route.
        pub static ROUTES: &[&Route] = &[$(&$name),*];
    };
}

// Name: method, path, function, operation, right. The `_BY_BODY` routes take the ID in the body, for old SDKs.
routes! {
    ENROLL: Post "/auth/factors/enroll", Enroll, Enroll, Manage;
    ENROLL_FOR_USER: Post "/user_management/users/{user_id}/auth_factors", Enroll, Enroll, Manage;
    CHALLENGE: Post "/auth/factors/{id}/challenge", Challenge, Challenge, Verify;
    CHALLENGE_BY_BODY: Post "/auth/factors/challenge", Challenge, Challenge, Verify;
    VERIFY: Post "/auth/challenges/{id}/verify", Verify, Verify, Verify;
    VERIFY_BY_BODY: Post "/auth/factors/verify", Verify, Verify, Verify;
    READ: Get "/auth/factors/{id}", Factors, Read, Read;
    DELETE: Delete "/auth/factors/{id}", Factors, Delete, Manage;
    LIST: Get "/auth/factors", Factors, List, Read;
    LIST_FOR_USER: Get "/user_management/users/{user_id}/auth_factors", Factors, List, Read;
    CREATE_RECOVERY_CODES: Post "/user_management/users/{user_id}/recovery_codes", Enroll, CreateRecoveryCodes, Manage;
    READ_RECOVERY_CODES: Get "/user_management/users/{user_id}/recovery_codes", Factors, ReadRecoveryCodes, Read;
    DELETE_RECOVERY_CODES: Delete "/user_management/users/{user_id}/recovery_codes", Factors, DeleteRecoveryCodes, Manage;
    VERIFY_RECOVERY_CODE: Post "/user_management/users/{user_id}/recovery_codes/verify", Verify, VerifyRecoveryCode, Verify;
}

impl Route {
    /// A router that serves this route with `handler`.
    pub(super) fn to<H, T, S>(&self, handler: H) -> Router<S>
    where
        H: Handler<T, S>,
        T: 'static,
        S: Clone + Send + Sync + 'static,
    {
        let filter = match self.method {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Delete => MethodFilter::DELETE,
        };
        Router::new().route(self.path, on(filter, handler))
    }

    /// The route of a request, by its method and the path that axum matched.
    pub(super) fn find(method: &Method, path: &str) -> Option<&'static Self> {
        let verb = match *method {
            Method::GET | Method::HEAD => Verb::Get,
            Method::POST => Verb::Post,
            Method::DELETE => Verb::Delete,
            _ => return None,
        };
        ROUTES.iter().copied().find(|route| route.method == verb && route.path == path)
    }
}
