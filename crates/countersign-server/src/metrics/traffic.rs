//! How long requests take, and how many are under way.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

/// Upper bounds of the histogram, in seconds: a signature check takes some twenty
/// millionths, a slow one is what the timeouts end.
const BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident = $listener:literal, $route:literal;)*) => {
        /// Where a request goes, as far as operators tell requests apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Place { $($(#[$doc])* $name,)* }

        /// The labels of each place, in their order.
        const PLACES: &[(&str, &str)] = &[$(($listener, $route)),*];
    };
}

places! {
    ForwardAuth = "public", "forward-auth";
    AuthRequest = "public", "auth-request";
    ExtAuthz = "public", "ext-authz";
    ValidateRequest = "public", "validate-request";
    KeyToToken = "public", "key-to-token";
    /// Key sets, probes, what is not there.
    Public = "public", "other";
    Envoy = "envoy", "check";
    Administration = "internal", "administration";
    Console = "internal", "console";
    Registration = "internal", "key-to-token";
    /// Probes, metrics, what is not there.
    Internal = "internal", "other";
}

/// The requests of all listeners.
pub(crate) struct Traffic(Box<[OfOnePlace]>);

struct OfOnePlace {
    under_way: Gauge,
    duration: Histogram,
}

/// A request under way, up to its answer's head or to where its caller goes away.
pub(crate) struct UnderWay<'a> {
    place: &'a OfOnePlace,
    since: Instant,
}

impl Traffic {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let in_flight = Family::<[(&str, &str); 1], Gauge>::default();
        let make: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = Family::<[(&str, &str); 2], Histogram, _>::new_with_constructor(make);
        registry.register(
            "requests_in_flight",
            "Requests that are being handled",
            in_flight.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "How long requests took, from the head to the head of the answer",
            Unit::Seconds,
            durations.clone(),
        );
        let places = PLACES.iter().map(|&(listener, route)| {
            let listener = ("listener", listener);
            OfOnePlace {
                under_way: in_flight.get_or_create_owned(&[listener]),
                duration: durations.get_or_create_owned(&[listener, ("route", route)]),
            }
        });
        Self(places.collect())
    }

    pub(crate) fn begin(&self, place: Place) -> UnderWay<'_> {
        let place = &self.0[place as usize];
        place.under_way.inc();
        UnderWay { place, since: Instant::now() }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.place.duration.observe(self.since.elapsed().as_secs_f64());
        self.place.under_way.dec();
    }
}
