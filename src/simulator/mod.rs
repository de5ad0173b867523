//! A CSP and a VMC to run against: the demo, the tests, and consumers' own tests.
