//! How a person accepts a call.

crate::words! {
    /// How an expert who has answered accepts the call: the policy's demand, and by which
    /// means it was done.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Acceptance {
        /// A key of the phone, after the briefing.
        #[default]
        Key = "key",
        /// A button of the expert's page.
        Page = "page",
        /// None: to answer is to accept.
        None = "none",
    }
}
