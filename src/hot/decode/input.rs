//! A transaction's calldata, in a buffer that the EVM may share while it runs, and that is written into again afterwards.

use std::ops::Deref;

use alloy_primitives::Bytes;
use alloy_primitives::bytes::BytesMut;

/// Calldata. What is handed out of it by [`Input::shared`] stays as it is; once all of that is dropped the buffer is used again.
#[derive(Clone, Debug, Default)]
pub(in crate::hot::decode) struct Input {
    held: Bytes,
    buffer: BytesMut,
}

impl Input {
    /// Makes room for so many bytes, has them written, and keeps them.
    pub(in crate::hot::decode) fn write<E>(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.held = Bytes::new();
        self.buffer.clear();
        // Nothing else holds the buffer any more, or another one is made.
        self.buffer.resize(length, 0);
        write(&mut self.buffer)?;
        self.held = self.buffer.split().freeze().into();
        Ok(())
    }

    /// The same bytes, not copied.
    pub(in crate::hot::decode) fn shared(&self) -> Bytes {
        self.held.clone()
    }
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.held
    }
}
