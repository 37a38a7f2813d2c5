//! What the tests share: throw-away servers, shops to sweep, text scenarios, the conformance suite, and the simulator.

pub mod browser;
pub mod clock;
pub mod conformance;
pub mod failure;
pub mod proof;
pub mod scenario;
pub mod servers;
pub mod shops;
pub mod sim;
pub mod waiting;
