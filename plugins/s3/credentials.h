#pragma once
// Where access keys come from: the usual chain of AWS's own tools.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "http.h"
#include "signature.h"

namespace weir::s3 {

struct CredentialSettings {
  std::optional<std::string> access_key;
  std::optional<std::string> secret_key;
  std::optional<std::string> session_token;
  std::optional<std::string> profile;
};

/// In this order: the settings; AWS_ACCESS_KEY_ID and its companions in the environment; a profile of the shared
/// credentials file; the container's endpoint (ECS, EKS); the instance's metadata (EC2, IMDSv2). A profile that is
/// named in the settings comes before the environment. Thread-safe.
class CredentialChain {
 public:
  /// Throws Misconfigured where the settings contradict themselves.
  CredentialChain(CredentialSettings settings, HttpOptions http);

  /// The keys to sign with now; temporary ones are fetched again five minutes before they expire. Throws Misconfigured
  /// where there are none, saying where it looked, and Unavailable where their source does not answer.
  Credentials get();
  /// The server says that these have expired: they are looked up anew. False if that can change nothing.
  bool refresh();

 private:
  struct Found {
    Credentials credentials;
    std::optional<std::int64_t> expires;  ///< seconds since 1970
    bool may_change = false;
  };
  Found find() const;
  std::optional<Found> from_profile(const std::string& name, bool required) const;
  std::optional<Found> from_container() const;
  std::optional<Found> from_instance() const;

  CredentialSettings settings_;
  HttpOptions http_;
  std::mutex lock_;
  std::optional<Found> found_;  ///< under lock_
};

/// A section of an INI file, as ~/.aws/credentials and ~/.aws/config are written: name to value.
std::optional<Pairs> ini_section(const std::string& path, const std::string& section);

/// The region that the settings, the environment (AWS_REGION, AWS_DEFAULT_REGION) or the profile's config say.
std::optional<std::string> find_region(const std::optional<std::string>& setting,
                                       const std::optional<std::string>& profile);

}  // namespace weir::s3
