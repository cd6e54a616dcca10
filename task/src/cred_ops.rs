//! Rules of credentials (being written).
