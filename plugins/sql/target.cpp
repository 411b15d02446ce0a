#include "target.h"

#include <sqlite3.h>

#include <filesystem>
#include <map>

#include "weir/errors.h"

namespace weir::sqlite {

std::shared_ptr<Target> Target::open(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Target>> targets;  // by path: one a file, as long as somebody uses it

  std::error_code error;
  const auto absolute = std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
  if (error) throw Misconfigured(path + ": " + error.message());
  if (std::filesystem::is_directory(absolute, error))
    throw Misconfigured(absolute.string() + " is a directory: name the database file in it");
  std::filesystem::create_directories(absolute.parent_path(), error);
  if (error)
    throw Misconfigured("the directory " + absolute.parent_path().string() + " cannot be made: " + error.message());

  const std::lock_guard lock(mutex);
  auto& known = targets[absolute.string()];
  if (auto target = known.lock()) return target;
  try {
    auto target = std::make_shared<Target>(absolute.string());
    known = target;
    return target;
  } catch (const Error& failure) {
    raise(failure, absolute.string());
  }
}

std::shared_ptr<Target> Target::open_to_read(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
  if (error) throw Misconfigured(path + ": " + error.message());
  if (!std::filesystem::exists(absolute, error))
    throw Unavailable("there is no file " + absolute.string() + "; it is read once it is there");
  try {
    return std::make_shared<Target>(absolute.string(), true);
  } catch (const Error& failure) {
    raise(failure, absolute.string());
  }
}

Target::Target(std::string path, bool read_only) : path_(std::move(path)), database_(path_, read_only) {}

std::uint64_t Target::begin() {
  if (!open_) {
    database_.execute("BEGIN IMMEDIATE");
    open_ = true;
    ++last_;
  }
  return last_;
}

void Target::commit() {
  if (!open_) return;
  try {
    if (database_.moved())
      throw Error(SQLITE_READONLY_DBMOVED, "what was written since the last commit is written again elsewhere");
    database_.execute("COMMIT");
    open_ = false;
  } catch (...) {
    roll_back();
    throw;
  }
}

void Target::roll_back() {
  if (!open_) return;
  if (database_.in_transaction()) {
    try {
      database_.execute("ROLLBACK");
    } catch (const Error&) {
      // An error that ends the transaction can also end the rollback: the result is the same.
    }
  }
  open_ = false;
  lost_.insert(last_);
}

void Target::check() {
  if (open_ && !database_.in_transaction()) roll_back();
}

}  // namespace weir::sqlite
