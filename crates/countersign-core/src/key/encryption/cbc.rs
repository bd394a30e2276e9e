//! Block ciphers in CBC mode with PKCS#7 padding, as old key files use them.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::{Des, TdesEde2, TdesEde3};
use zeroize::Zeroizing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CbcCipher {
    Aes128,
    Aes192,
    Aes256,
    Des,
    TripleDes,
    TwoKeyTripleDes,
}

impl CbcCipher {
    /// The length of a key, in bytes.
    pub(super) fn key_length(self) -> usize {
        match self {
            Self::Des => 8,
            Self::Aes128 | Self::TwoKeyTripleDes => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    /// The length of a block and of the initialization vector, in bytes.
    pub(super) fn block_length(self) -> usize {
        match self {
            Self::Des | Self::TripleDes | Self::TwoKeyTripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// Decrypts; `None` if the padding is wrong, as it is with a wrong key in
    /// all but about one of 256 cases.
    pub(super) fn decrypt(
        self,
        key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Aes128 => decrypt::<Aes128>(key, iv, ciphertext),
            Self::Aes192 => decrypt::<Aes192>(key, iv, ciphertext),
            Self::Aes256 => decrypt::<Aes256>(key, iv, ciphertext),
            Self::Des => decrypt::<Des>(key, iv, ciphertext),
            Self::TripleDes => decrypt::<TdesEde3>(key, iv, ciphertext),
            Self::TwoKeyTripleDes => decrypt::<TdesEde2>(key, iv, ciphertext),
        }
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let decryptor = Decryptor::<C>::new_from_slices(key, iv).ok()?;
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}
