//! `docker buildx build`.

use super::{Cancelled, Job, Order, flag};
use crate::ImageError;
use std::{ffi::OsString, future::Future, path::PathBuf};

/// Builds an archive.
pub(super) async fn build<F: Future<Output = ()>>(
    order: &mut Order<'_>,
    cancelled: Cancelled<'_, F>,
) -> Result<PathBuf, ImageError> {
    let archive = order.place.join("image.tar");
    let mut args: Vec<OsString> = ["buildx", "build", "--progress=plain"].map(Into::into).into();
    args.extend(order.arguments());
    let platforms: Vec<String> = order.build.platforms.iter().map(ToString::to_string).collect();
    if !platforms.is_empty() {
        args.push(flag("--platform", platforms.join(",")));
    }
    // So that the same input gives the same digest, as `--timestamp` does with buildah.
    if !order.build.args.contains_key("SOURCE_DATE_EPOCH") {
        args.push(flag("--build-arg", "SOURCE_DATE_EPOCH=0"));
    }
    let destination = archive.to_str().ok_or_else(|| {
        let what = "docker buildx takes only paths in UTF-8";
        ImageError::broken(&archive, what)
    })?;
    args.push(flag("--output", output(destination)));
    args.push("--".into());
    args.push(order.context.clone().into());
    let mut job = Job::new(order.tools, "docker", &args);
    // An attestation holds the time of the build.
    job.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
    match order.run(job, cancelled).await {
        Ok(_) => Ok(archive),
        Err(ImageError::Failed { output, .. }) if is_drivers(&output) => {
            Err(ImageError::Driver { output })
        }
        Err(error) => Err(error),
    }
}

/// One record of comma-separated values, with quotes around what has a comma in it.
fn output(destination: &str) -> String {
    let field = format!("dest={destination}");
    let field = if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    };
    format!("type=oci,rewrite-timestamp=true,{field}")
}

/// Whether it failed because the `docker` driver can only put images into the daemon. Both the
/// kind of output and several platforms are refused, in words that changed over time.
fn is_drivers(lines: &[String]) -> bool {
    lines.iter().any(|line| {
        let line = line.to_lowercase();
        line.contains("not supported for")
            && (line.contains("docker driver") || line.contains("oci exporter"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_comma_is_quoted() {
        assert_eq!(output("/a b"), "type=oci,rewrite-timestamp=true,dest=/a b");
        assert_eq!(output("/a,\"b"), "type=oci,rewrite-timestamp=true,\"dest=/a,\"\"b\"");
    }

    #[test]
    fn the_words_of_several_versions() {
        for line in [
            "ERROR: OCI exporter is not supported for the docker driver.",
            "error: OCI exporter feature is currently not supported for docker driver. Please \
             switch to a different driver (eg. \"docker buildx create --use\")",
            "ERROR: Multi-platform build is not supported for the docker driver.",
        ] {
            assert!(is_drivers(&[line.to_owned()]), "{line}");
        }
        assert!(!is_drivers(&["RUN is not supported for Windows".to_owned()]));
    }
}
