#include "credentials.h"

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "weir/errors.h"
#include "weir/json.h"

namespace weir::s3 {

namespace {

constexpr std::int64_t kBeforeExpiry = 300;  ///< seconds
constexpr const char* kWhere =
    "set access_key and secret_key (as ${secret:…}), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
    "environment, or a profile in ~/.aws/credentials";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string value_of(const Pairs& pairs, const std::string& name) {
  for (const auto& [key, value] : pairs) {
    if (key == name) return value;
  }
  return {};
}

std::string aws_file(const char* variable, const char* name) {
  if (auto path = environment(variable); !path.empty()) return path;
  const auto home = environment("HOME");
  return home.empty() ? std::string() : home + "/.aws/" + name;
}

/// Seconds since 1970 of "2026-01-31T12:00:00Z".
std::optional<std::int64_t> time_of(const std::string& text) {
  std::tm parts{};
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return std::nullopt;
  return ::timegm(&parts);
}

/// A JSON string as it stands, without its quotes. Keys and tokens have no escapes but "\/".
std::string unquoted(std::string_view token) {
  if (token.size() < 2 || token.front() != '"') return {};
  std::string text;
  for (const char c : token.substr(1, token.size() - 2)) {
    if (c != '\\') text += c;
  }
  return text;
}

/// What a container's or an instance's endpoint answers.
Credentials credentials_in(const std::string& json, std::optional<std::int64_t>& expires, const std::string& url) {
  JsonObject object({"AccessKeyId", "SecretAccessKey", "Token", "Expiration"});
  if (!object.read(json)) throw Unavailable(url + " gave no credentials: " + object.error());
  Credentials credentials{unquoted(object.raw(0)), unquoted(object.raw(1)), unquoted(object.raw(2))};
  if (credentials.access_key.empty() || credentials.secret_key.empty()) throw Unavailable(url + " gave no credentials");
  expires = time_of(unquoted(object.raw(3)));
  return credentials;
}

HttpResponse ask(const HttpOptions& options, const std::string& method, const std::string& url, Pairs headers) {
  auto quick = options;
  quick.connect_timeout = std::chrono::seconds(2);
  quick.stall_timeout = std::chrono::seconds(5);
  return HttpConnection(quick).perform({method, url, std::move(headers)});
}

}  // namespace

std::optional<Pairs> ini_section(const std::string& path, const std::string& section) {
  std::ifstream file(path);
  if (path.empty() || !file) return std::nullopt;
  std::optional<Pairs> found;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    line = trim(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = trim(line.substr(1, line.find(']') - 1)) == section;
      if (inside && !found) found.emplace();
      continue;
    }
    const auto equals = line.find('=');
    if (inside && equals != std::string::npos)
      found->emplace_back(trim(line.substr(0, equals)), trim(line.substr(equals + 1)));
  }
  return found;
}

std::optional<std::string> find_region(const std::optional<std::string>& setting,
                                       const std::optional<std::string>& profile) {
  if (setting) return setting;
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (auto region = environment(variable); !region.empty()) return region;
  }
  auto name = profile.value_or(environment("AWS_PROFILE"));
  if (name.empty()) name = "default";
  const auto path = aws_file("AWS_CONFIG_FILE", "config");
  const auto section = ini_section(path, name == "default" ? name : "profile " + name);
  if (!section) return std::nullopt;
  const auto region = value_of(*section, "region");
  return region.empty() ? std::nullopt : std::optional(region);
}

CredentialChain::CredentialChain(CredentialSettings settings, HttpOptions http)
    : settings_(std::move(settings)), http_(std::move(http)) {
  if (settings_.access_key.has_value() != settings_.secret_key.has_value())
    throw Misconfigured("access_key and secret_key belong together: set both or neither");
  if (settings_.session_token && !settings_.access_key)
    throw Misconfigured("session_token needs the access_key and secret_key that it was issued with");
  if (settings_.profile && settings_.access_key)
    throw Misconfigured("say where the keys come from with either access_key and secret_key, or profile");
  if (settings_.access_key && (settings_.access_key->empty() || settings_.secret_key->empty()))
    throw Misconfigured("access_key or secret_key is empty");
}

Credentials CredentialChain::get() {
  const std::lock_guard lock(lock_);
  if (!found_ || (found_->expires && *found_->expires - kBeforeExpiry < std::time(nullptr))) found_ = find();
  return found_->credentials;
}

bool CredentialChain::refresh() {
  const std::lock_guard lock(lock_);
  if (found_ && !found_->may_change) return false;
  const auto before = found_ ? found_->credentials.session_token + found_->credentials.access_key : std::string();
  found_ = find();
  return found_->credentials.session_token + found_->credentials.access_key != before;
}

CredentialChain::Found CredentialChain::find() const {
  if (settings_.access_key)
    return {{*settings_.access_key, *settings_.secret_key, settings_.session_token.value_or("")}, {}, false};
  if (settings_.profile) return *from_profile(*settings_.profile, true);
  const auto access_key = environment("AWS_ACCESS_KEY_ID");
  const auto secret_key = environment("AWS_SECRET_ACCESS_KEY");
  if (access_key.empty() != secret_key.empty())
    throw Misconfigured("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, only one is in the environment");
  if (!access_key.empty()) return {{access_key, secret_key, environment("AWS_SESSION_TOKEN")}, {}, false};
  const auto profile = environment("AWS_PROFILE");
  if (auto found = from_profile(profile.empty() ? "default" : profile, !profile.empty())) return *found;
  if (auto found = from_container()) return *found;
  if (auto found = from_instance()) return *found;
  throw Misconfigured(std::string("there are no credentials for S3: ") + kWhere);
}

std::optional<CredentialChain::Found> CredentialChain::from_profile(const std::string& name, bool required) const {
  const auto path = aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
  const auto section = ini_section(path, name);
  const Pairs pairs = section.value_or(Pairs());
  Found found{{value_of(pairs, "aws_access_key_id"), value_of(pairs, "aws_secret_access_key"),
               value_of(pairs, "aws_session_token")},
              {},
              true};
  if (!found.credentials.access_key.empty() && !found.credentials.secret_key.empty()) return found;
  if (!required) return std::nullopt;
  throw Misconfigured("the profile '" + name + "' has no aws_access_key_id and aws_secret_access_key in " +
                      (path.empty() ? "~/.aws/credentials" : path) +
                      (section ? "" : ": there is no such file, or no such section in it"));
}

std::optional<CredentialChain::Found> CredentialChain::from_container() const {
  auto url = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (const auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); !relative.empty())
    url = "http://169.254.170.2" + relative;
  if (url.empty()) return std::nullopt;
  auto token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const auto path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
    std::ifstream file(path);
    std::getline(file, token);
  }
  Pairs headers;
  if (!token.empty()) headers.emplace_back("Authorization", token);
  const auto answer = ask(http_, "GET", url, headers);
  if (answer.status != 200) throw Unavailable(url + " answers " + std::to_string(answer.status));
  Found found;
  found.may_change = true;
  found.credentials = credentials_in(answer.body, found.expires, url);
  return found;
}

std::optional<CredentialChain::Found> CredentialChain::from_instance() const {
  if (environment("AWS_EC2_METADATA_DISABLED") == "true") return std::nullopt;
  auto base = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (base.empty()) base = "http://169.254.169.254";
  while (base.back() == '/') base.pop_back();
  HttpResponse token;
  try {
    token = ask(http_, "PUT", base + "/latest/api/token", {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}});
  } catch (const Unavailable&) {
    return std::nullopt;  // no such address outside EC2
  }
  if (token.status != 200) return std::nullopt;
  const Pairs headers = {{"X-aws-ec2-metadata-token", token.body}};
  const auto roles = base + "/latest/meta-data/iam/security-credentials/";
  const auto role = ask(http_, "GET", roles, headers);
  if (role.status != 200) return std::nullopt;  // an instance without a role
  const auto url = roles + role.body.substr(0, role.body.find('\n'));
  const auto answer = ask(http_, "GET", url, headers);
  if (answer.status != 200) throw Unavailable(url + " answers " + std::to_string(answer.status));
  Found found;
  found.may_change = true;
  found.credentials = credentials_in(answer.body, found.expires, url);
  return found;
}

}  // namespace weir::s3
