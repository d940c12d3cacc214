//! Stores that several machines share: filled by one, used by others that have neither a toolchain for wasm nor a
//! store of their own; what happens where servers, keys and objects are not as they should be.

#[allow(dead_code)]
#[path = "project/fixture.rs"]
mod fixture;

#[cfg(unix)]
#[path = "shared/faults.rs"]
mod faults;
#[path = "shared/forged.rs"]
mod forged;
#[path = "shared/http.rs"]
mod http;
#[path = "shared/many.rs"]
mod many;
#[path = "shared/prepared.rs"]
mod prepared;
#[path = "shared/s3.rs"]
mod s3;
#[path = "shared/similar.rs"]
mod similar;
#[cfg(unix)]
#[path = "shared/team.rs"]
mod team;
#[path = "shared/trust.rs"]
mod trust;
#[path = "shared/upgrade.rs"]
mod upgrade;
