#pragma once
// The properties that S3Sink and S3Source share.

#include "client.h"
#include "weir/spec.h"

namespace weir::s3 {

/// Adds them to a spec whose settings derive from ConnectionSettings.
template <class S>
Spec<S>& add_connection(Spec<S>& spec) {
  const auto member = []<class M>(M ConnectionSettings::* m) -> M S::* { return m; };
  return spec
      .property("endpoint", member(&ConnectionSettings::endpoint),
                {.help = "Scheme, host and perhaps port of the store. Not set: Amazon S3 in `region`.",
                 .example = "https://minio.example.com:9000"})
      .property("bucket", member(&ConnectionSettings::bucket),
                {.help = "The bucket; it has to exist.", .example = "sensor-lake", .required = true})
      .property("region", member(&ConnectionSettings::region),
                {.help = "Not set: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's in `~/.aws/config`, and with an "
                         "`endpoint` us-east-1.",
                 .example = "eu-central-1"})
      .property(
          "addressing", member(&ConnectionSettings::addressing),
          {.help = "Where requests name the bucket: in the path or in the host's name. `auto`: in the path with an "
                   "`endpoint`, in the host's name for Amazon.",
           .choices = {"auto", "path", "virtual_host"}})
      .property("access_key", member(&ConnectionSettings::access_key),
                {.help = "Not set: see Credentials.", .example = "${secret:S3_ACCESS_KEY}", .secret = true})
      .property("secret_key", member(&ConnectionSettings::secret_key),
                {.help = "Belongs to `access_key`.", .example = "${secret:S3_SECRET_KEY}", .secret = true})
      .property("session_token", member(&ConnectionSettings::session_token),
                {.help = "Of temporary credentials.", .example = "${secret:S3_SESSION_TOKEN}", .secret = true})
      .property("profile", member(&ConnectionSettings::profile),
                {.help = "A profile of `~/.aws/credentials`.", .example = "production"})
      .property("customer_key", member(&ConnectionSettings::customer_key),
                {.help = "Objects are encrypted by the store with this key (SSE-C): 32 bytes in base64. The store does "
                         "not keep it; without it nobody can read them.",
                 .example = "${secret:S3_CUSTOMER_KEY}",
                 .secret = true})
      .property("tls", member(&ConnectionSettings::tls), {.help = "Certificates, for an `endpoint` with https."})
      .property("connect_timeout", member(&ConnectionSettings::connect_timeout),
                {.help = "How long a connection may take.", .above = 0})
      .property("timeout", member(&ConnectionSettings::timeout),
                {.help = "How long a request may go without a byte in either direction.", .min = 1e9});
}

/// For both reference pages.
constexpr std::string_view kCredentialsHelp =
    "**Credentials** are looked for in this order: `access_key` and `secret_key`; `profile`; the environment "
    "(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`); `~/.aws/credentials` (profile `AWS_PROFILE` "
    "or "
    "`default`; the file may be elsewhere by `AWS_SHARED_CREDENTIALS_FILE`); a container's endpoint "
    "(`AWS_CONTAINER_CREDENTIALS_FULL_URI`); the metadata of an EC2 instance (IMDSv2; not with "
    "`AWS_EC2_METADATA_DISABLED=true`). Temporary ones are renewed before they expire, a profile's when the store says "
    "that they have. A wrong key, a missing bucket or another region stops the processor and says so; a store that "
    "does not answer, or asks for patience, is tried again for as long as it takes.";

}  // namespace weir::s3
