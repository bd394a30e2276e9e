//! Settings of a file that change nothing beside the others in it.

use super::options::ServeOptions;
use super::values::ReplayGuardKind;

/// Their names, and why nothing comes of each.
pub(super) fn find(options: &ServeOptions) -> Vec<(&'static str, &'static str)> {
    let guard = options.replay_guard.unwrap_or(ReplayGuardKind::Durable);
    let url = options.database_url.as_deref().unwrap_or_default();
    let is_postgres = url.starts_with("postgres");
    // It may be in the environment, where a password belongs.
    let may_be_postgres = is_postgres || options.database_url.is_none();
    let is_limited =
        options.rate_limit_per_address.is_some() || options.rate_limit_per_credential.is_some();
    // Rate limits are counted there, if there is one.
    let is_redis = guard == ReplayGuardKind::Redis || is_limited;
    let may_be_shared = is_redis || guard == ReplayGuardKind::Database && may_be_postgres;
    let leaves_loopback = options.internal_listen.is_some_and(|at| !at.ip().is_loopback());

    let (redis, postgres) = ("nothing is kept in Redis", "the database is not PostgreSQL");
    let internal = "internal_listen is a loopback address";
    let settings = [
        ("redis_namespace", options.redis_namespace.is_some() && !is_redis, redis),
        ("redis_ca_file", options.redis_ca_file.is_some() && !is_redis, redis),
        (
            "dangerous_redis_durability_unchecked",
            options.dangerous_redis_durability_unchecked == Some(true) && !is_redis,
            redis,
        ),
        (
            "replay_timeout",
            options.replay_timeout.is_some() && !may_be_shared,
            "the replay guard is in this process",
        ),
        (
            "change_tolerance",
            options.change_tolerance == Some(true) && !may_be_shared,
            "the replay guard is in this process",
        ),
        (
            "database_connections",
            options.database_connections.is_some() && !may_be_postgres,
            postgres,
        ),
        (
            "database_connect_timeout",
            options.database_connect_timeout.is_some() && !may_be_postgres,
            postgres,
        ),
        (
            "database_statement_timeout",
            options.database_statement_timeout.is_some() && !may_be_postgres,
            postgres,
        ),
        (
            "internal_beyond_loopback",
            options.internal_beyond_loopback == Some(true) && !leaves_loopback,
            internal,
        ),
    ];
    let dead = settings.into_iter().filter(|(_, is_dead, _)| *is_dead);
    dead.map(|(name, _, why)| (name, why)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(toml: &str) -> Vec<&'static str> {
        find(&toml::from_str(toml).unwrap()).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_changes_nothing_is_named() {
        let none: [&str; 0] = [];
        assert_eq!(dead(""), none);
        assert_eq!(dead("redis_namespace = \"a\""), ["redis_namespace"]);
        assert_eq!(dead("redis_namespace = \"a\"\nreplay_guard = \"redis\""), none);
        assert_eq!(dead("redis_namespace = \"a\"\nrate_limit_per_address = \"1/s\""), none);
        assert_eq!(dead("replay_timeout = \"1s\""), ["replay_timeout"]);
        assert_eq!(dead("replay_timeout = \"1s\"\nreplay_guard = \"database\""), none);
        let on_sqlite = "database_url = \"sqlite://a\"\ndatabase_connections = 3";
        assert_eq!(dead(on_sqlite), ["database_connections"]);
        assert_eq!(dead("database_connections = 3"), none, "the URL may be in a variable");
        let beyond = "internal_beyond_loopback = true";
        assert_eq!(dead(beyond), ["internal_beyond_loopback"]);
        assert_eq!(dead(&format!("{beyond}\ninternal_listen = \"0.0.0.0:1\"")), none);
    }
}
