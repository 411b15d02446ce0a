#pragma once
// A real S3 server for tests (versitygw over a folder): on a free port of 127.0.0.1, in a temporary folder, gone with
// the object. It verifies every signature.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace weir::testing {

class Versitygw {
 public:
  struct Options {
    bool tls = false;            ///< it speaks TLS, with certificates made for it
    bool virtual_hosts = false;  ///< buckets may be named in the host: BUCKET.localhost
  };

  /// True if versitygw is there or can be built (versitygw/prepare). If not, prints a line "SKIPPED: …".
  static bool available();

  /// Starts it and waits until it accepts, with the bucket `lake`. Throws std::runtime_error with its log if it does
  /// not.
  explicit Versitygw(Options options);
  Versitygw() : Versitygw(Options{}) {}
  ~Versitygw();
  Versitygw(const Versitygw&) = delete;
  Versitygw& operator=(const Versitygw&) = delete;

  /// Starts it again on the same port.
  void start();
  /// SIGKILL, and waits until it is gone.
  void kill();

  std::uint16_t port() const { return port_; }
  std::string url() const;
  std::string access_key() const { return "test-access-key"; }
  std::string secret_key() const { return "test-secret/key+with=signs"; }
  std::string bucket() const { return "lake"; }
  /// The file that holds an object.
  std::filesystem::path object(const std::string& key) const { return folder_ / "buckets" / bucket() / key; }
  const std::filesystem::path& folder() const { return folder_; }
  std::string log() const;
  std::string ca() const { return (folder_ / "ca.pem").string(); }  ///< PEM; with Options::tls

 private:
  void make_certificates() const;

  Options options_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace weir::testing
