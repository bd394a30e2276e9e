//! The encoding of numbers and strings in SSH (RFC 4251 section 5).

use zeroize::Zeroizing;

/// What remains to be read. Every method is `None` if the data ends too early.
pub(super) struct WireReader<'a>(&'a [u8]);

impl<'a> WireReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(super) fn remaining(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().map(u32::from_be_bytes).ok()
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.bytes(length)
    }

    /// A positive `mpint` without its sign byte; also `None` if it is negative
    /// or has more leading zero bytes than the sign needs.
    pub(super) fn positive(&mut self) -> Option<&'a [u8]> {
        let number = self.string()?;
        let sign = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0x80 != 0);
        match number.split_first() {
            Some((0, rest)) => sign(rest.first()).then_some(rest),
            first => (!sign(first.map(|(first, _)| first))).then_some(number),
        }
    }
}

/// What has been written, wiped when it goes out of use.
pub(super) struct WireWriter(Zeroizing<Vec<u8>>);

impl WireWriter {
    pub(super) fn new() -> Self {
        // Room for the largest key, so that no copy of it is left behind when
        // the buffer grows.
        Self(Zeroizing::new(Vec::with_capacity(8 * 1024)))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn string(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes(bytes);
    }

    /// A positive big-endian number as an `mpint`.
    pub(super) fn positive(&mut self, number: &[u8]) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        let sign_byte = number.first().is_some_and(|first| first & 0x80 != 0);
        self.length(number.len() + usize::from(sign_byte));
        if sign_byte {
            self.bytes(&[0]);
        }
        self.bytes(number);
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    fn length(&mut self, length: usize) {
        // Keys and comments are far shorter than 4 GiB.
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read_in_the_one_way_rfc_4251_allows() {
        for (number, encoded) in [
            (&[0x09, 0xa3][..], &[0, 0, 0, 2, 0x09, 0xa3][..]),
            (&[0x80], &[0, 0, 0, 2, 0, 0x80]),
            (&[0, 0, 0x80], &[0, 0, 0, 2, 0, 0x80]),
        ] {
            let mut writer = WireWriter::new();
            writer.positive(number);
            assert_eq!(writer.written(), encoded);
            let read = WireReader::new(encoded).positive().unwrap();
            assert_eq!(read, &number[number.len() - read.len()..]);
        }
        for refused in [&[0, 0, 0, 1, 0x80][..], &[0, 0, 0, 2, 0, 1], &[0, 0, 0, 2, 1], &[0, 0]] {
            assert_eq!(WireReader::new(refused).positive(), None, "{refused:?}");
        }
    }
}
