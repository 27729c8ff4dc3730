//! ife-witness
