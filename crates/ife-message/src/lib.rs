//! ife-message
