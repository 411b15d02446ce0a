// What `durability: power` promises: what was stored is there after a power cut, once and in order. The disk is a model
// of one: of what the inbox wrote, only what was synced is sure to be there, and of the rest any 4 KiB pages, sizes and
// directory entries may be. The inbox maps its files and syncs them itself, so fdatasync and fsync are this test's own.
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plugins/mqtt/inbox.h"

namespace {

namespace fs = std::filesystem;
using weir::mqtt::Durability;
using weir::mqtt::Inbox;
using weir::mqtt::Message;

constexpr std::uint64_t kSegmentSize = 16'384;
constexpr std::size_t kPage = 4096;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "weir-power-XXXXXX").string();
    path = fs::canonical(::mkdtemp(name.data()));
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path path;
};

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// What the platter holds of one folder.
class Disk {
 public:
  explicit Disk(fs::path folder) : folder_(std::move(folder)) { watched_ = this; }
  ~Disk() { watched_ = nullptr; }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  /// Called when a sync is asked for, and nothing of it has come to the platter yet.
  std::function<void()> before_sync;

  static int synced(int file, long call) {
    if (watched_ != nullptr) {
      const auto path = fs::read_symlink("/proc/self/fd/" + std::to_string(file));
      if (path == watched_->folder_) {
        watched_->sync_entries();
      } else if (path.parent_path() == watched_->folder_) {
        if (watched_->before_sync) watched_->before_sync();
        watched_->synced_[path.filename()] = content_of(path);
      }
    }
    return static_cast<int>(::syscall(call, file));
  }

  /// The folder as the power cut leaves it: what was synced and, by chance, some of the rest.
  void lay_out(const fs::path& to, std::mt19937* chance) const {
    const auto happens = [&] { return chance != nullptr && (*chance)() % 2 == 0; };
    std::set<fs::path> names = entries_;
    for (const auto& file : fs::directory_iterator(folder_)) {
      if (happens()) names.insert(file.path().filename());
    }
    for (const auto& name : names) {
      const bool there = fs::exists(folder_ / name);
      if (!there && happens()) continue;  // its removal has come through
      const auto found = synced_.find(name);
      auto content = found == synced_.end() ? std::string() : found->second;
      const auto present = there ? content_of(folder_ / name) : content;
      if (content.size() < present.size() && happens()) content.resize(present.size());
      for (std::size_t at = 0; at < std::min(content.size(), present.size()); at += kPage) {
        if (happens()) content.replace(at, kPage, present, at, kPage);
      }
      std::ofstream(to / name, std::ios::binary) << content;
    }
  }

 private:
  void sync_entries() {
    entries_.clear();
    for (const auto& file : fs::directory_iterator(folder_)) entries_.insert(file.path().filename());
  }

  inline static Disk* watched_ = nullptr;
  const fs::path folder_;
  std::map<fs::path, std::string> synced_;
  std::set<fs::path> entries_;
};

/// An inbox that is filled and drained, and what it has to hold after a cut at this moment.
struct Run {
  Folder folder;
  Disk disk{folder.path};
  std::vector<std::string> sent;  ///< with that under way
  std::size_t stored = 0;         ///< of those sent
  std::size_t delivered = 0;      ///< and these are durable elsewhere
  std::uint64_t position = 1;     ///< which is what the flow's state says
  std::set<std::uint16_t> open;   ///< QoS 2 exchanges that the broker counts on
  std::size_t cuts = 0;
  std::size_t lost = 0;    ///< messages that were stored and are gone
  std::size_t astray = 0;  ///< cuts after which something came twice, too early, or was sent by nobody

  void cut(std::mt19937* chance) {
    const Folder after;
    disk.lay_out(after.path, chance);
    Inbox inbox(after.path, Durability::power, kSegmentSize);
    inbox.seek(position);
    std::vector<std::string> found;
    inbox.read(false, [&](const Message& message) { return found.emplace_back(message.payload), true; });
    std::size_t same = 0;
    while (same < found.size() && delivered + same < sent.size() && found[same] == sent[delivered + same]) ++same;
    if (same < found.size()) ++astray;
    if (delivered + same < stored) lost += stored - delivered - same;
    const auto exchanges = inbox.open_exchanges();
    for (const auto id : open) {
      if (std::find(exchanges.begin(), exchanges.end(), id) == exchanges.end()) ++lost;
    }
    ++cuts;
  }

  void go(Durability durability, unsigned seed) {
    std::mt19937 random(seed);
    Inbox inbox(folder.path, durability, kSegmentSize);
    inbox.seek(position);
    disk.before_sync = [&] { cut(nullptr), cut(&random); };
    for (int i = 0; i < 60; ++i) {
      const std::size_t sizes[] = {0, 10, 3000, 9000, 40'000};  // some fill segments, some need one of their own
      sent.push_back(std::to_string(i) + ":" + std::string(sizes[random() % 5], static_cast<char>('a' + i % 26)));
      Message message{.topic = "t", .properties = {}, .payload = sent.back()};
      if (i % 7 == 3) {
        message.qos = 2;
        message.packet_id = static_cast<std::uint16_t>(i);
        REQUIRE(inbox.append_once(message).stored);
        open.insert(message.packet_id);
      } else {
        REQUIRE(inbox.append(message).stored);
      }
      stored = sent.size();
      cut(nullptr);
      cut(&random);
      if (random() % 8 != 0) continue;
      for (const auto id : open) REQUIRE(inbox.release(id));
      open.clear();
      inbox.read(false, [](const Message&) { return true; });
      delivered = stored;
      position = inbox.position();
      inbox.trim(position);
    }
    disk.before_sync = nullptr;
  }
};

}  // namespace

// In place of the C library's, for all of this program.
extern "C" int fdatasync(int file) {
  return Disk::synced(file, SYS_fdatasync);
}
extern "C" int fsync(int file) {
  return Disk::synced(file, SYS_fsync);
}

TEST_CASE("At durability power, what was stored is there after a power cut at any moment, once and in order") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Run run;
    run.go(Durability::power, seed);
    CHECK(run.cuts >= 4 * 60);
    CHECK(run.lost == 0);
    CHECK(run.astray == 0);
  }
}

TEST_CASE("At durability process a power cut loses what was stored: the model of the disk has teeth") {
  Run run;
  run.go(Durability::process, 1);
  CHECK(run.lost > 0);
}
