#include "api/access.h"

#include <date/date.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "api/sha256.h"

namespace weir::api {

namespace json = boost::json;

namespace {

constexpr auto kLookAgain = std::chrono::seconds(1);
constexpr std::size_t kLongestName = 100;
constexpr std::string_view kPrefix = "weir_";  ///< so that one is known when it turns up somewhere

std::string new_token() {
  std::array<unsigned char, 32> bits{};
  if (::getrandom(bits.data(), bits.size(), 0) != static_cast<ssize_t>(bits.size()))
    throw std::runtime_error("the system gives no random numbers");
  std::string token(kPrefix);
  for (const auto byte : bits) token += fmt::format("{:02x}", byte);
  return token;
}

/// Whose `path` is, or would be if it were there: that of the nearest folder that is.
struct stat owner_of(const std::filesystem::path& path) {
  struct stat found{};
  for (auto at = std::filesystem::absolute(path); ::stat(at.c_str(), &found) != 0 && at.has_relative_path();)
    at = at.parent_path();
  return found;
}

/// Made by root for the service's user, it is of no use if that cannot read it.
bool give_to(int file, const struct stat& owner) {
  return ::geteuid() != 0 || ::fchown(file, owner.st_uid, owner.st_gid) == 0;
}

/// The folder, with its parents; by root, for whom the first that is there belongs to.
void make_folder(const std::filesystem::path& folder) {
  if (folder.empty() || std::filesystem::exists(folder)) return;
  const auto owner = owner_of(folder);
  make_folder(folder.parent_path());
  std::filesystem::create_directory(folder);
  const int made = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const bool given = made >= 0 && give_to(made, owner);
  if (made >= 0) ::close(made);
  if (!given) throw std::runtime_error("cannot make " + folder.string() + ": " + std::strerror(errno));
}

/// In a time that does not tell how much of it was right.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return difference == 0;
}

/// The token that a request carries; empty: none.
std::string_view token_of(const Request& request) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view authorization = request.authorization;
  if (authorization.starts_with(kBearer)) return authorization.substr(kBearer.size());
  for (std::string_view rest = request.cookie; !rest.empty();) {
    const auto end = std::min(rest.find(';'), rest.size());
    auto pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(Access::kCookie) && pair.substr(Access::kCookie.size()).starts_with('='))
      return pair.substr(Access::kCookie.size() + 1);
  }
  return {};
}

}  // namespace

const char* name_of(Role role) {
  return role == Role::op ? "operator" : "viewer";
}

std::optional<Role> role_of(std::string_view name) {
  if (name == "viewer") return Role::viewer;
  if (name == "operator") return Role::op;
  return std::nullopt;
}

std::vector<Token> TokenFile::read() const {
  std::ifstream file(path_);
  if (!file) {
    if (std::error_code error; !std::filesystem::exists(path_, error) && !error) return {};
    throw std::runtime_error("cannot read " + path_.string() + ", which says who may call");
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<Token> tokens;
  try {
    const auto list = json::parse(text);
    for (const auto& each : list.as_array()) {
      const auto role = role_of(each.at("role").as_string());
      if (!role) throw std::invalid_argument("no such role");
      tokens.push_back({std::string(each.at("name").as_string()), *role, std::string(each.at("sha256").as_string()),
                        std::string(each.at("created").as_string())});
    }
  } catch (const std::exception&) {
    throw std::runtime_error(path_.string() + " is no list of tokens; mend it, or remove it and add tokens anew");
  }
  return tokens;
}

void TokenFile::write(const std::vector<Token>& tokens) const {
  json::array list;
  for (const auto& token : tokens) {
    list.push_back(json::object{
        {"name", token.name}, {"role", name_of(token.role)}, {"sha256", token.hash}, {"created", token.created}});
  }
  const auto text = json::serialize(list) + "\n";
  const auto temporary = path_.string() + ".new";
  const auto fail = [&] { throw std::runtime_error("cannot write " + temporary + ": " + std::strerror(errno)); };
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) fail();
  const bool written = ::fchmod(fd, S_IRUSR | S_IWUSR) == 0 && give_to(fd, owner_of(path_.parent_path())) &&
                       ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  if (::close(fd) != 0 || !written) fail();
  std::filesystem::rename(temporary, path_);
}

std::string TokenFile::add(const std::string& name, Role role) const {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (name.empty() || name.size() > kLongestName || std::any_of(name.begin(), name.end(), is_control))
    throw std::invalid_argument(
        fmt::format("a token has a name, of up to {} bytes and without control characters", kLongestName));
  auto tokens = read();
  std::erase_if(tokens, [&](const Token& token) { return token.name == name; });
  auto token = new_token();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  tokens.push_back({name, role, sha256(token), date::format("%FT%TZ", now)});
  make_folder(path_.parent_path());
  write(tokens);
  return token;
}

bool TokenFile::remove(const std::string& name) const {
  auto tokens = read();
  if (std::erase_if(tokens, [&](const Token& token) { return token.name == name; }) == 0) return false;
  write(tokens);
  return true;
}

Access::Access(const std::filesystem::path& data) : file_(data) {
  reread();
}

void Access::reread() {
  const auto now = std::chrono::steady_clock::now();
  if (looked_ != std::chrono::steady_clock::time_point{} && now - looked_ < kLookAgain) return;
  looked_ = now;
  std::error_code none;
  const auto changed = std::filesystem::last_write_time(file_.path(), none);
  if (none) {  // tokens that are gone open nothing
    tokens_.clear();
    changed_ = {};
    return;
  }
  if (changed == changed_) return;
  required_ = true;
  tokens_.clear();  // if it cannot be read, nobody gets in
  tokens_ = file_.read();
  changed_ = changed;
}

bool Access::required() {
  const std::lock_guard lock(mutex_);
  reread();
  return required_;
}

std::optional<Caller> Access::of_token(std::string_view token) {
  const std::lock_guard lock(mutex_);
  reread();
  const auto hash = sha256(token);
  std::optional<Caller> found;
  for (const auto& each : tokens_) {
    if (same(each.hash, hash)) found = Caller{each.name, each.role};
  }
  return found;
}

std::optional<Caller> Access::caller(const Request& request) {
  if (!required()) return Caller{};
  const auto token = token_of(request);
  if (token.empty()) return std::nullopt;
  return of_token(token);
}

}  // namespace weir::api
