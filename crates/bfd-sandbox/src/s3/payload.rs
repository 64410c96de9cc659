//! A request's body, taken out of its framing and checked.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::checksum::Algorithm;
use super::chunked::Decoder;
use super::reply::Refusal;
use crate::blob::{Blobs, Content, Spool};
use crate::image::hexadecimal;
use crate::router::Head;

/// What arrived.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) content: Content,
    /// As blobs are named.
    pub(super) digest: String,
    pub(super) md5: String,
    /// The header and the value: what was sent, or what S3 computes by itself.
    pub(super) checksum: (String, String),
}

/// Reads a body as its headers say it was sent.
pub(super) fn receive(
    head: &Head,
    content: Option<&Content>,
    blobs: &Blobs,
) -> Result<Payload, Refusal> {
    let signed = head.header("x-amz-content-sha256");
    if signed.is_empty() && !head.header("authorization").is_empty() {
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
        ));
    }
    let is_chunked = signed.starts_with("STREAMING-");
    let (algorithm, mut claimed) = claim(head)?;
    let mut md5 = Md5::new();
    let mut sha256 = Sha256::new();
    let mut running = algorithm.start();
    let mut spool = if is_chunked { Some(Spool::new(blobs)?) } else { None };
    let mut length = 0_u64;
    let mut take = |bytes: &[u8]| {
        md5.update(bytes);
        sha256.update(bytes);
        running.update(bytes);
        length += bytes.len() as u64;
        spool.as_mut().map_or(Ok(()), |spool| spool.push(bytes))
    };
    let mut trailers = BTreeMap::new();
    if let Some(content) = content {
        if is_chunked {
            let mut decoder = Decoder::default();
            content.each(|piece| decoder.decode(piece, &mut take))?;
            trailers = decoder.finish().ok_or_else(incomplete)?;
        } else {
            content.each(take)?;
        }
    } else if is_chunked {
        return Err(incomplete());
    }
    if is_chunked {
        let decoded = head.header("x-amz-decoded-content-length");
        if decoded.is_empty() {
            return Err(Refusal::new(
                411,
                "MissingContentLength",
                "You must provide the Content-Length HTTP header.",
            ));
        }
        if decoded.parse() != Ok(length) {
            return Err(incomplete());
        }
    }
    if let Some(value) = trailers.get(algorithm.header()) {
        claimed = Some(value.clone());
    }
    let (md5, sha256) = (md5.finalize(), hexadecimal(&sha256.finalize()));
    let is_hash = signed.len() == 64 && signed.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash && !signed.eq_ignore_ascii_case(&sha256) {
        return Err(Refusal::new(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ));
    }
    check_md5(head.header("content-md5"), &md5)?;
    let computed = running.finish();
    check_claim(algorithm, claimed.as_deref(), &computed)?;
    let content = match spool {
        Some(spool) => spool.finish()?,
        None => content.cloned().unwrap_or(Content::Memory(Vec::new().into())),
    };
    Ok(Payload {
        content,
        digest: format!("sha256:{sha256}"),
        md5: hexadecimal(&md5),
        checksum: (algorithm.header().to_owned(), computed),
    })
}

fn check_md5(given: &str, md5: &[u8]) -> Result<(), Refusal> {
    if given.is_empty() {
        return Ok(());
    }
    match base64::decode(given) {
        Ok(bytes) if bytes == md5 => Ok(()),
        Ok(bytes) if bytes.len() == md5.len() => {
            let text = "The Content-MD5 you specified did not match what we received.";
            Err(Refusal::new(400, "BadDigest", text))
        }
        _ => {
            let text = "The Content-MD5 you specified is not valid.";
            Err(Refusal::new(400, "InvalidDigest", text))
        }
    }
}

fn check_claim(algorithm: Algorithm, claimed: Option<&str>, computed: &str) -> Result<(), Refusal> {
    let Some(claimed) = claimed.filter(|claimed| *claimed != computed) else { return Ok(()) };
    if claimed.len() != computed.len() || base64::decode(claimed).is_err() {
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            format!("Value for {} header is invalid.", algorithm.header()),
        ));
    }
    Err(Refusal::new(
        400,
        "BadDigest",
        format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
    ))
}

/// The checksum that the headers announce, with its value if it does not follow the body.
fn claim(head: &Head) -> Result<(Algorithm, Option<String>), Refusal> {
    let mut found =
        Algorithm::ALL.into_iter().filter(|algorithm| !head.header(algorithm.header()).is_empty());
    if let Some(algorithm) = found.next() {
        if found.next().is_some() {
            return Err(Refusal::new(
                400,
                "InvalidRequest",
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        return Ok((algorithm, Some(head.header(algorithm.header()).to_owned())));
    }
    let trailer = head.header("x-amz-trailer").split(',').find_map(Algorithm::from_header);
    let named = head.header("x-amz-sdk-checksum-algorithm");
    if trailer.is_none() && !named.is_empty() {
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
             x-amz-trailer headers were found.",
        ));
    }
    // S3 computes this one when none is asked for.
    Ok((trailer.unwrap_or(Algorithm::Crc64Nvme), None))
}

fn incomplete() -> Refusal {
    Refusal::new(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}
