//! Shared exact integer maths.
