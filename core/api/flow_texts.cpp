#include "api/flow_texts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "api/sha256.h"
#include "engine/log.h"
#include "flow/source.h"

namespace weir::api {

namespace {

constexpr std::size_t kMostProblemsLogged = 20;

/// A core file would hold what the API masks: as at the start, once a flow has a secret.
void leave_no_core(const flow::Flow& flow) {
  if (!flow.secrets.empty()) ::prctl(PR_SET_DUMPABLE, 0);
}

/// Each Weir of the group runs its partitions by it.
std::string scales_out(const std::string& flow) {
  return fmt::format(
      "the flow '{}' scales out over several Weirs, and is not changed while it runs: change its file on "
      "all of them, and start them again",
      flow);
}

[[noreturn]] void cannot(const std::string& what, const std::filesystem::path& path) {
  throw std::runtime_error(fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(errno)));
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  const int number_;
};

/// Where a symbolic link leads is what is written; the link stays.
std::filesystem::path target(const std::string& file) {
  std::error_code ignored;
  const auto path = std::filesystem::canonical(file, ignored);
  return ignored ? std::filesystem::path(file) : path;
}

/// Replaces a file's content, with owner and mode as they were: at any moment, and after a power cut, it has the old
/// text or the new one.
void replace(const std::string& file, const std::string& text) {
  const auto path = target(file);
  struct stat before{};
  if (::stat(path.c_str(), &before) != 0) cannot("read", path);
  auto name = (path.parent_path() / ("." + path.filename().string() + ".XXXXXX")).string();
  const Descriptor out(::mkostemp(name.data(), O_CLOEXEC));
  if (out.get() < 0) cannot("write beside", path);
  try {
    // Before the text is in it, so that nobody reads it who must not. Another's file stays readable for him by its
    // mode.
    if (::fchown(out.get(), before.st_uid, before.st_gid) != 0 && errno != EPERM) cannot("keep the owner of", path);
    if (::fchmod(out.get(), before.st_mode & 07777U) != 0) cannot("keep the mode of", path);
    for (std::string_view left = text; !left.empty();) {
      const auto written = ::write(out.get(), left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) cannot("write", path);
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(out.get()) != 0) cannot("write", path);
    if (::rename(name.c_str(), path.c_str()) != 0) cannot("replace", path);
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
  const Descriptor folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

}  // namespace

FlowTexts::FlowTexts(engine::Engine& engine, flow::LoadOptions options, Files files)
    : engine_(engine), options_(std::move(options)), files_(std::move(files)) {}

std::shared_ptr<const flow::Flow> FlowTexts::running(const std::string& name) const {
  for (const auto& flow : engine_.flows()) {
    if (flow->name == name) return flow;
  }
  throw std::invalid_argument(fmt::format("there is no flow '{}'", name));
}

std::string FlowTexts::hash(const std::string& text) {
  return sha256(text);
}

std::string FlowTexts::why_not_kept(const flow::Flow& running, const std::string* text) {
  const auto path = target(running.file);
  const auto advice = "; change the file and have Weir read it again: SIGHUP, or systemctl reload weir";
  std::string now;
  try {
    now = flow::Source::read(path).text();
  } catch (const std::exception& error) {
    return fmt::format("what is applied is kept in the flow's file, and {} cannot be read: {}", path.string(),
                       error.what());
  }
  if (now != running.text && (text == nullptr || now != *text))
    return fmt::format(
        "{} has been changed since it was read, and would be overwritten: have Weir read it first "
        "(SIGHUP, or systemctl reload weir), or put back what runs",
        path.string());
  if (::access(path.c_str(), W_OK) != 0 || ::access(path.parent_path().c_str(), W_OK) != 0)
    return fmt::format("what is applied is kept in the flow's file, and Weir may not write {}: {}{}", path.string(),
                       std::strerror(errno), advice);
  return {};
}

Checked FlowTexts::check(const std::string& flow, const std::string& text) {
  return check(running(flow), text);
}

Checked FlowTexts::check(const std::shared_ptr<const flow::Flow>& now, const std::string& text) {
  Checked checked;
  auto result = [&] {
    const std::lock_guard lock(loading_);
    return flow::load_text(now->file, text, options_);
  }();
  // What belongs to no place speaks of the command line, and so of other flows too.
  std::erase_if(result.problems, [](const auto& problem) { return problem.mark.file.empty(); });
  checked.problems = std::move(result.problems);
  if (result.flows.empty() || flow::has_errors(checked.problems)) return checked;
  auto& flow = result.flows.front();
  leave_no_core(flow);
  if (flow.name != now->name) {
    flow::Problem problem;
    problem.mark.file = now->file;
    problem.mark.line = problem.mark.column = 1;
    problem.message = fmt::format("this is the flow '{}', and is to take the place of '{}'", flow.name, now->name);
    problem.expected = fmt::format("flow: {} (another name is another flow, with a file of its own)", now->name);
    checked.problems.push_back(std::move(problem));
    return checked;
  }
  checked.flow = std::make_shared<const flow::Flow>(std::move(flow));
  checked.difference = flow::compare(now.get(), checked.flow.get());
  return checked;
}

bool FlowTexts::apply(const std::string& name, const std::string& text, const std::string& base, const std::string& who,
                      Checked& checked) {
  const std::unique_lock lock(applying_, std::try_to_lock);
  if (!lock.owns_lock()) throw engine::NotNow("a changed flow is being applied: try again when that is done");
  const auto now = running(name);
  checked = check(now, text);
  if (!checked.flow) return false;
  // Once more what has been applied, as by one who did not hear the answer, is no mistake.
  const bool is_same = text == now->text && checked.difference.empty();
  if (is_same) return false;
  if (base != hash(now->text))
    throw Outdated(
        fmt::format("the flow '{}' has changed since the text that yours is based on: look at what runs "
                    "now, and apply your change to that",
                    name));
  if (now->is_member || checked.flow->scale_out) throw engine::NotNow(scales_out(name));
  if (auto why_not = why_not_kept(*now, &text); !why_not.empty()) throw engine::NotNow(why_not);
  engine::ApplyOptions options;
  options.who = who;
  options.keep = [&] { replace(now->file, text); };
  engine_.add(checked.flow, options);
  return true;
}

std::string FlowTexts::load_and_apply(const std::string& who) {
  std::vector<flow::Problem> problems;
  const auto files = files_(problems);
  auto result = [&] {
    const std::lock_guard lock(loading_);
    return flow::load(files, options_);
  }();
  problems.insert(problems.end(), result.problems.begin(), result.problems.end());
  std::string first;
  std::size_t errors = 0;
  for (const auto& problem : problems) {
    const bool is_error = problem.severity == flow::Severity::error;
    if (is_error && errors++ == 0) first = to_string(problem);
    if (&problem - problems.data() < static_cast<std::ptrdiff_t>(kMostProblemsLogged))
      engine::log_line(is_error ? abi::Level::error : abi::Level::warning, nullptr, to_string(problem));
  }
  if (errors > 0)
    return fmt::format("{} {} in the flow files, the first: {}", errors, errors == 1 ? "error" : "errors", first);
  engine::Flows flows;
  auto left = engine_.flows();
  for (auto& flow : result.flows) {
    leave_no_core(flow);
    const auto now = std::find_if(left.begin(), left.end(), [&](const auto& each) { return each->name == flow.name; });
    if (now != left.end() && ((*now)->is_member || flow.scale_out) && (*now)->text == flow.text) {
      flows.push_back(*now);
    } else if (flow.scale_out || (now != left.end() && (*now)->is_member)) {
      return scales_out(flow.name);
    } else {
      flows.push_back(std::make_shared<const flow::Flow>(std::move(flow)));
    }
    if (now != left.end()) left.erase(now);
  }
  for (const auto& gone : left) {
    if (gone->is_member) return scales_out(gone->name);
  }
  engine::ApplyOptions options;
  options.who = who;
  try {
    engine_.apply(std::move(flows), options);
  } catch (const engine::NotApplied&) {  // has told it
    return " ";
  }
  return {};
}

bool FlowTexts::reload(const std::string& who) {
  const std::lock_guard lock(applying_);
  std::string failed;
  try {
    const auto before = engine_.flows();
    failed = load_and_apply(who);
    const auto after = engine_.flows();
    const auto same = [](const auto& a, const auto& b) { return a->name == b->name && a->text == b->text; };
    if (failed.empty() && std::equal(before.begin(), before.end(), after.begin(), after.end(), same))
      engine_.report(nullptr, abi::Level::info, "the flow files were read again: nothing has changed");
  } catch (const std::exception& error) {
    failed = error.what();
  }
  if (failed.size() > 1)
    engine_.report(nullptr, abi::Level::error,
                   "the flow files were read again and not applied, what ran runs on: " + failed);
  return failed.empty();
}

}  // namespace weir::api
