//! From the fields of `s3s`'s inputs to ours and back. Macros, because its types share fields but no trait.

use super::blobs::ALGORITHMS;

/// The info of an upload, from an input that has these fields.
macro_rules! info_of {
    ($input:expr) => {
        Info {
            content_type: $input.content_type.map(|value| value.to_string()),
            content_encoding: $input.content_encoding.and_then(stored_encoding),
            content_disposition: $input.content_disposition,
            content_language: $input.content_language,
            cache_control: $input.cache_control,
            metadata: $input.metadata.unwrap_or_default().into_iter().collect(),
            checksums: BTreeMap::new(),
        }
    };
}

/// The promise of an upload, from an input that has these fields.
macro_rules! promise_of {
    ($request:expr) => {{
        let input = &$request.input;
        let given = [
            &input.checksum_crc32,
            &input.checksum_crc32c,
            &input.checksum_crc64nvme,
            &input.checksum_sha1,
            &input.checksum_sha256,
        ];
        let named = ALGORITHMS.iter().zip(given);
        Promise {
            length: input.content_length.and_then(|length| u64::try_from(length).ok()),
            md5: input.content_md5.clone(),
            checksums: named.filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?))).collect(),
            trailing: trailing(&$request.headers),
            trailers: $request.trailing_headers.clone() as Option<TrailingHeaders>,
        }
    }};
}

/// Sets the five checksum fields of an output.
macro_rules! show_checksums {
    ($output:expr, $info:expr) => {{
        let of = |name: &str| $info.checksums.get(name).cloned();
        $output.checksum_crc32 = of("crc32");
        $output.checksum_crc32c = of("crc32c");
        $output.checksum_crc64nvme = of("crc64nvme");
        $output.checksum_sha1 = of("sha1");
        $output.checksum_sha256 = of("sha256");
    }};
}

/// Fills an output that describes an object (of a GET or a HEAD).
macro_rules! describe {
    ($output:ident, $found:expr, $input:expr) => {{
        let Found { object, range, content_range } = $found;
        let info = object.info;
        let asked = $input.checksum_mode.as_ref().is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
        let mut output = $output::default();
        if asked && content_range.is_none() {
            show_checksums!(output, info);
            output.checksum_type = Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT));
        }
        output.accept_ranges = Some("bytes".to_owned());
        output.content_length = i64::try_from(range.end - range.start).ok();
        output.content_range = content_range;
        output.e_tag = Some(ETag::Strong(object.etag));
        output.last_modified = Some(timestamp(object.modified.timestamp_millis()));
        output.metadata = Some(info.metadata.into_iter().collect());
        output.cache_control = $input.response_cache_control.or(info.cache_control);
        output.content_disposition = $input.response_content_disposition.or(info.content_disposition);
        output.content_encoding = $input.response_content_encoding.or(info.content_encoding);
        output.content_language = $input.response_content_language.or(info.content_language);
        let kind = $input.response_content_type.map(|kind| kind.to_string()).or(info.content_type);
        output.content_type =
            Some(kind.unwrap_or_else(|| "binary/octet-stream".to_owned())).and_then(|k| k.parse().ok());
        output
    }};
}

macro_rules! conditions_of {
    ($input:expr) => {
        Conditions {
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since.clone(),
            if_unmodified_since: $input.if_unmodified_since.clone(),
        }
    };
}

/// The encoding without `aws-chunked`, which is of the transfer and not of the object.
pub(super) fn stored_encoding(encoding: String) -> Option<String> {
    let kept: Vec<_> =
        encoding.split(',').map(str::trim).filter(|e| !e.is_empty() && *e != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(super) fn trailing(headers: &http::HeaderMap) -> Vec<String> {
    let names = headers.get("x-amz-trailer").and_then(|names| names.to_str().ok()).unwrap_or_default();
    let algorithm =
        |name: &str| name.trim().to_lowercase().strip_prefix("x-amz-checksum-").map(str::to_owned);
    names.split(',').filter_map(algorithm).filter(|name| ALGORITHMS.contains(&name.as_str())).collect()
}

pub(super) use {conditions_of, describe, info_of, promise_of, show_checksums};
