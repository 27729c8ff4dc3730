//! ife-guard
