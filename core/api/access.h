#pragma once
// Who may call: tokens, kept as hashes in the data directory, with the role that each has.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"

namespace weir::api {

enum class Role { viewer, op };  ///< an operator may do all that a viewer may

const char* name_of(Role role);
std::optional<Role> role_of(std::string_view name);

struct Token {
  std::string name;
  Role role = Role::viewer;
  std::string hash;  ///< SHA-256 of it: it has 256 bits from the system's random source, so nobody can guess it back
  std::string created;
};

/// The file of the tokens, DATA/tokens.json, which only its owner may read. Every function throws std::runtime_error
/// for a file that cannot be read or written.
class TokenFile {
 public:
  explicit TokenFile(const std::filesystem::path& data) : path_(data / "tokens.json") {}
  std::vector<Token> read() const;
  /// Adds one, replacing that of the same name; returns the token itself, which is kept nowhere. Throws
  /// std::invalid_argument for a name that is none.
  std::string add(const std::string& name, Role role) const;
  /// False: there is none of this name.
  bool remove(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  void write(const std::vector<Token>& tokens) const;

  std::filesystem::path path_;
};

struct Caller {
  std::string name;  ///< empty: nobody has to say
  Role role = Role::op;
};

/// Decides about requests. Without tokens everybody on this machine is an operator; from the first token on, also one
/// made while Weir runs, everybody needs one, and that stays so. Any thread.
class Access {
 public:
  explicit Access(const std::filesystem::path& data);
  /// True if a token is needed.
  bool required();
  /// Who calls; nothing: somebody without a valid token.
  std::optional<Caller> caller(const Request& request);
  /// Whose token this is.
  std::optional<Caller> of_token(std::string_view token);

  /// The cookie that a browser keeps the token in.
  static constexpr std::string_view kCookie = "weir_token";

 private:
  void reread();

  const TokenFile file_;
  std::mutex mutex_;
  std::vector<Token> tokens_;
  std::filesystem::file_time_type changed_{};
  std::chrono::steady_clock::time_point looked_{};
  bool required_ = false;
};

}  // namespace weir::api
