//! A small environment that most tests are about: two services and what they need, no stacks.

use bfd_tests::Project;

/// What the tests change is on lines of its own.
const REST: &str = r#"
[coordinator]
parameter_prefix = "/shop/deployment"
config = { ready = "true" }

[repository.web]
name = "shop-web"
keep_images = 10

[image.web]
source = "${repository.web}:v1"
fallback = { image = "public.ecr.aws/nginx/nginx:alpine", port = 80, health_check = "curl -f http://localhost/ || exit 1" }

[parameter.api-url]
name = "/shop/api/url"
value = "https://api.example.com"
description = "Where the API is"

[cluster.main]
name = "shop"

[service.web]
name = "shop-web"
cluster = "main"
cpu = 256
memory = 512
execution_role = "arn:aws:iam::123456789012:role/shop-execution"
network = { subnets = ["subnet-0a1b2c3d"], security_groups = ["sg-0a1b2c3d"] }

[service.web.container.web]
image = "${image.web}"
port = 3000
environment = { API_URL = "${parameter.api-url.name}", LOG = "info" }
health_check = { command = "curl -f http://localhost:3000/ || exit 1", interval = "5s", timeout = "2s", retries = 2, start_period = "0s" }

[service.search]
name = "shop-search"
cluster = "main"
cpu = 256
memory = 512
network = { subnets = ["subnet-0a1b2c3d"] }

[service.search.container.search]
image = "typesense/typesense:27.1"
port = 8108
environment = { TYPESENSE_DATA_DIR = "/tmp" }
health_check = { command = "curl -f http://localhost:8108/health || exit 1", interval = "5s", timeout = "2s", retries = 2, start_period = "0s" }
"#;

/// The shop's manifest, in an account and with a provider.
pub(crate) fn manifest(account: &str, provider: &str) -> String {
    format!(
        "[environment]\n\
         name = \"shop\"\n\
         account = \"{account}\"\n\
         region = \"ap-southeast-1\"\n\
         tags = {{ Team = \"shop\" }}\n\
         \n\
         [provider]\n\
         {provider}\n{REST}"
    )
}

/// The shop on the embedded sandbox.
#[track_caller]
pub(crate) fn on_sandbox() -> Project {
    Project::new("shop", &manifest("123456789012", "kind = \"sandbox\""))
}
