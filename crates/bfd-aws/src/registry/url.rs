//! The little of URLs that a registry's client needs.

/// Scheme and authority, in lower case and without the scheme's own port: what credentials may
/// be sent to.
pub(super) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let own_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = authority.strip_suffix(own_port).unwrap_or(&authority);
    (!authority.is_empty() && !authority.contains('@')).then(|| format!("{scheme}://{authority}"))
}

/// Where a `Location` of an answer points to: absolute, or relative to what was asked.
pub(super) fn locate(asked: &str, location: &str) -> Option<String> {
    if location.contains("://") {
        return origin(location).map(|_| location.to_owned());
    }
    let (scheme, rest) = asked.split_once("://")?;
    if let Some(other) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{other}"));
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    location.starts_with('/').then(|| format!("{scheme}://{authority}{location}"))
}

/// Adds a parameter to the query.
pub(super) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{name}={}", escape(value))
}

/// Escapes a value of a query or of a form.
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            std::fmt::Write::write_fmt(&mut escaped, format_args!("%{byte:02X}"))
                .expect("a string takes everything");
        }
    }
    escaped
}

/// Whether a host, with or without a port, is this very machine. It is spoken to without TLS,
/// as Docker does.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    name == "localhost"
        || name == "[::1]"
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether what is sent there cannot be read on the way.
pub(super) fn is_private(url: &str) -> bool {
    let Some(origin) = origin(url) else { return false };
    origin.starts_with("https://") || origin.strip_prefix("http://").is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_as_hosts_are() {
        assert_eq!(origin("https://Host.io/v2/").as_deref(), Some("https://host.io"));
        assert_eq!(origin("https://host.io:443?a").as_deref(), Some("https://host.io"));
        assert_eq!(origin("http://[::1]:80/").as_deref(), Some("http://[::1]"));
        assert_ne!(origin("https://host.io:444/"), origin("https://host.io/"));
        assert_ne!(origin("http://host.io/"), origin("https://host.io/"));
        assert_eq!(origin("ftp://host.io/"), None);
        assert_eq!(origin("https://user@host.io/"), None, "who knows whose host that is");
        assert_eq!(origin("/v2/"), None);
    }

    #[test]
    fn locations_may_be_relative() {
        let at = |location| locate("http://h.io:5/v2/a?x=1", location);
        assert_eq!(at("/v2/b?y").as_deref(), Some("http://h.io:5/v2/b?y"));
        assert_eq!(at("https://s3.io/c").as_deref(), Some("https://s3.io/c"));
        assert_eq!(at("//s3.io/c").as_deref(), Some("http://s3.io/c"));
        assert_eq!(at("d"), None);
    }

    #[test]
    fn this_machine_is_spoken_to_in_the_clear() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:1", "127.8.0.1", "[::1]:5"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.io", "10.0.0.1:5000", "[::2]:5", "127.0.0.1.io"] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(is_private("https://h.io/token") && is_private("http://127.0.0.1:5/token"));
        assert!(!is_private("http://h.io/token"));
    }

    #[test]
    fn values_are_escaped() {
        let url = with_parameter("https://h.io/t?a=b", "scope", "repository:a/b:pull,push");
        assert_eq!(url, "https://h.io/t?a=b&scope=repository:a/b:pull,push");
        assert_eq!(escape("a b&c+d"), "a%20b%26c%2Bd");
    }
}
