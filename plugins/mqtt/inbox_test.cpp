// What the inbox promises: what was stored is there after any death of the process, once and in order.
#include "plugins/mqtt/inbox.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "weir/errors.h"

namespace {

using weir::mqtt::Durability;
using weir::mqtt::Inbox;
using weir::mqtt::Message;
using weir::mqtt::Segment;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-inbox-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

Message message(std::string_view payload) {
  return {.topic = "a/b", .properties = {}, .payload = payload};
}

std::vector<std::string> read_all(Inbox& inbox) {
  std::vector<std::string> payloads;
  inbox.read(false, [&](const Message& m) {
    payloads.emplace_back(m.payload);
    return true;
  });
  return payloads;
}

std::size_t files(const Folder& folder) {
  const std::filesystem::directory_iterator files(folder.path);
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

/// Flips a byte of the file of the folder that holds `text`, at its first place; false if none does.
bool damage(const Folder& folder, std::string_view text) {
  for (const auto& file : std::filesystem::directory_iterator(folder.path)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(in)), {});
    const auto at = content.find(text);
    if (at == std::string::npos) continue;
    std::fstream out(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(at));
    out.put(static_cast<char>(~content[at]));
    return true;
  }
  return false;
}

constexpr std::uint64_t kSmall = 4096;

}  // namespace

TEST_CASE("What was appended is read in order, with all that a message has") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process);
  const std::string all("\0\xff\n", 3);
  CHECK(inbox
            .append({.topic = "x/y/z",
                     .properties = "pp",
                     .payload = all,
                     .packet_id = 7,
                     .qos = 1,
                     .retain = true,
                     .duplicate = true})
            .stored);
  CHECK(inbox.append(message("")).stored);
  std::uint64_t seen = 0;
  CHECK(inbox.read(false, [&](const Message& m) {
    if (seen++ == 0) {
      CHECK(m.topic == "x/y/z");
      CHECK(m.properties == "pp");
      CHECK(m.payload == all);
      CHECK(m.packet_id == 7);
      CHECK(m.qos == 1);
      CHECK(m.retain);
      CHECK(m.duplicate);
    } else {
      CHECK(m.payload.empty());
      CHECK_FALSE(m.retain);
    }
    return true;
  }) == 2);
  CHECK_FALSE(inbox.has_more());
}

TEST_CASE("A folder is one inbox's alone, until that is gone") {
  const Folder folder;
  {
    Inbox inbox(folder.path, Durability::process);
    CHECK_THROWS_AS(std::make_unique<Inbox>(folder.path, Durability::process), weir::Unavailable);
    CHECK(inbox.append(message("kept")).stored);
  }
  Inbox next(folder.path, Durability::process);
  CHECK(next.read(false, [](const Message& m) {
    CHECK(m.payload == "kept");
    return true;
  }) == 1);
}

TEST_CASE("The reader is woken once for the first message after it found nothing, and not before") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process);
  CHECK_FALSE(inbox.append(message("1")).wake);
  CHECK(inbox.read(true, [](const Message&) { return true; }) == 1);
  CHECK_FALSE(inbox.append(message("2")).wake);
  CHECK(inbox.read(true, [](const Message&) { return true; }) == 1);
  CHECK(inbox.read(true, [](const Message&) { return true; }) == 0);
  CHECK(inbox.append(message("3")).wake);
  CHECK_FALSE(inbox.append(message("4")).wake);
}

TEST_CASE("A reader that goes to wait while a message comes has it, or is woken") {
  constexpr std::uint64_t kMessages = 300'000;
  const Folder folder;
  Inbox inbox(folder.path, Durability::process);
  std::mutex mutex;
  std::condition_variable bell;
  bool rung = false;
  std::thread network([&] {
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      if (!inbox.append(message("m")).wake) continue;
      const std::lock_guard lock(mutex);
      rung = true;
      bell.notify_one();
    }
  });
  bool woken = true;
  for (std::uint64_t read = 0; woken && read < kMessages;) {
    const auto count = inbox.read(true, [](const Message&) { return true; });
    inbox.trim(inbox.position());
    read += count;
    if (count > 0) continue;
    std::unique_lock lock(mutex);
    woken = bell.wait_for(lock, std::chrono::seconds(20), [&] { return std::exchange(rung, false); });
  }
  network.join();
  CHECK(woken);
}

TEST_CASE("A later run delivers what was not trimmed, from the durable position on") {
  const Folder folder;
  std::uint64_t position = 0;
  {
    Inbox inbox(folder.path, Durability::process, kSmall);
    for (int i = 0; i < 1000; ++i) REQUIRE(inbox.append(message("message " + std::to_string(i))).stored);
    std::uint64_t count = 0;
    inbox.read(false, [&](const Message&) { return ++count < 400; });
    position = inbox.position();
    inbox.trim(position);
    read_all(inbox);  // delivered, but not durable
  }
  Inbox inbox(folder.path, Durability::process, kSmall);
  CHECK(inbox.seek(position) == 0);
  const auto rest = read_all(inbox);
  REQUIRE(rest.size() == 600);
  CHECK(rest.front() == "message 400");
  CHECK(rest.back() == "message 999");
}

TEST_CASE("Segments are used again: the folder does not grow with what passes through") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process, kSmall);
  for (int i = 0; i < 5000; ++i) {
    REQUIRE(inbox.append(message("message " + std::to_string(i))).stored);
    REQUIRE(read_all(inbox) == std::vector{"message " + std::to_string(i)});
    inbox.trim(inbox.position());
    REQUIRE(inbox.bytes() == 0);
  }
  CHECK(files(folder) <= 5);
}

TEST_CASE("bytes() counts what is not durable yet, to the byte") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process, kSmall);
  REQUIRE(inbox.append(message("1")).stored);
  read_all(inbox);
  inbox.trim(inbox.position());
  REQUIRE(inbox.bytes() == 0);
  REQUIRE(inbox.append(message("2")).stored);
  const auto one = Segment::entry_size(message("2"));
  CHECK(inbox.bytes() == one);
  read_all(inbox);
  const auto durable = inbox.position();
  REQUIRE(inbox.append(message("3")).stored);
  read_all(inbox);
  CHECK(inbox.bytes() == 2 * one);
  inbox.trim(durable);
  CHECK(inbox.bytes() == one);
}

TEST_CASE("A session that was rolled back reads the same messages again") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process, kSmall);
  for (int i = 0; i < 500; ++i) REQUIRE(inbox.append(message(std::to_string(i))).stored);
  const auto start = inbox.position();
  const auto first = read_all(inbox);
  CHECK(inbox.seek(start) == 0);
  CHECK(read_all(inbox) == first);
  CHECK(first.size() == 500);
}

TEST_CASE("A message larger than a segment gets one of its own, which is deleted when it is trimmed") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process, kSmall);
  const std::string large(100'000, 'x');
  REQUIRE(inbox.append(message("before")).stored);
  REQUIRE(inbox.append(message(large)).stored);
  REQUIRE(inbox.append(message("after")).stored);
  CHECK(read_all(inbox) == std::vector<std::string>{"before", large, "after"});
  inbox.trim(inbox.position());
  for (const auto& file : std::filesystem::directory_iterator(folder.path)) CHECK(file.file_size() == kSmall);
}

TEST_CASE("Nothing that was stored is lost when the process is killed") {
  const Folder folder;
  for (int round = 0; round < 5; ++round) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      Inbox inbox(folder.path, Durability::process, kSmall);
      for (std::uint32_t i = 0;; ++i) {
        if (!inbox.append(message("killed " + std::to_string(i))).stored) ::_exit(1);
        if (::write(pipe[1], &i, sizeof i) != sizeof i) ::_exit(1);  // the acknowledgement
      }
    }
    ::close(pipe[1]);
    std::uint32_t acknowledged = 0;
    std::uint32_t i = 0;
    const std::uint32_t until = 300U + 217U * static_cast<std::uint32_t>(round);
    while (acknowledged < until && ::read(pipe[0], &i, sizeof i) == sizeof i) acknowledged = i;
    ::kill(child, SIGKILL);
    while (::read(pipe[0], &i, sizeof i) == sizeof i) acknowledged = i;
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));

    Inbox inbox(folder.path, Durability::process, kSmall);
    CHECK(inbox.seek(inbox.position()) == 0);
    const auto survived = read_all(inbox);
    REQUIRE(survived.size() > acknowledged);
    REQUIRE(survived.size() <= acknowledged + 2);  // at most one was stored and its acknowledgement not written
    for (std::size_t k = 0; k < survived.size(); ++k) REQUIRE(survived[k] == "killed " + std::to_string(k));
    inbox.trim(inbox.position());
    std::filesystem::remove_all(folder.path);
  }
}

TEST_CASE("A torn entry at the end is left out, and what comes after the next start is not mixed up with it") {
  const Folder folder;
  {
    Inbox inbox(folder.path, Durability::process, kSmall);
    for (const auto* text : {"whole one", "whole two", "torn three", "never four"})
      REQUIRE(inbox.append(message(text)).stored);
  }
  REQUIRE(damage(folder, "torn three"));
  {
    Inbox inbox(folder.path, Durability::process, kSmall);
    CHECK(read_all(inbox) == std::vector<std::string>{"whole one", "whole two"});
    REQUIRE(inbox.append(message("fresh")).stored);
    CHECK(read_all(inbox) == std::vector<std::string>{"fresh"});
  }
  Inbox inbox(folder.path, Durability::process, kSmall);
  CHECK(read_all(inbox) == std::vector<std::string>{"whole one", "whole two", "fresh"});
}

TEST_CASE("Damage in the middle costs what is damaged, is counted, and the rest is delivered") {
  const Folder folder;
  {
    Inbox inbox(folder.path, Durability::process, kSmall);
    for (int i = 0; i < 1000; ++i) REQUIRE(inbox.append(message("number " + std::to_string(1000 + i))).stored);
  }
  REQUIRE(damage(folder, "number 1100"));
  Inbox inbox(folder.path, Durability::process, kSmall);
  const auto damaged = inbox.seek(1);
  const auto rest = read_all(inbox);
  CHECK(damaged > 0);
  CHECK(damaged < 100);
  CHECK(rest.size() + damaged == 1000);
  CHECK(rest.back() == "number 1999");
}

TEST_CASE("If the folder was lost, numbers that the state knows are not given again") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process, kSmall);
  CHECK(inbox.seek(5000) == 0);
  REQUIRE(inbox.append(message("new")).stored);
  CHECK(read_all(inbox) == std::vector<std::string>{"new"});
  CHECK(inbox.position() > 5000);
}

TEST_CASE("A QoS 2 message is stored once while its exchange is open, across restarts and trimming") {
  const Folder folder;
  const Message m{.topic = "t", .properties = {}, .payload = "once", .packet_id = 9, .qos = 2};
  {
    Inbox inbox(folder.path, Durability::process, kSmall);
    REQUIRE(inbox.append_once(m).stored);
    REQUIRE(inbox.append_once(m).stored);
    CHECK(read_all(inbox).size() == 1);
    // Much later, when its own segment is long gone, the exchange is still open.
    for (int i = 0; i < 500; ++i) {
      REQUIRE(inbox.append(message("other")).stored);
      read_all(inbox);
      inbox.trim(inbox.position());
    }
  }
  std::uint64_t position = 0;
  {
    Inbox inbox(folder.path, Durability::process, kSmall);
    CHECK(inbox.open_exchanges() == std::vector<std::uint16_t>{9});
    read_all(inbox);
    REQUIRE(inbox.append_once(m).stored);
    CHECK(read_all(inbox).empty());
    REQUIRE(inbox.release(9));
    REQUIRE(inbox.append_once(m).stored);
    CHECK(read_all(inbox).size() == 1);
    REQUIRE(inbox.release(9));
    position = inbox.position();
  }
  Inbox inbox(folder.path, Durability::process, kSmall);
  inbox.seek(position);
  CHECK(inbox.open_exchanges().empty());
}

TEST_CASE("Durability power keeps the same promises") {
  const Folder folder;
  {
    Inbox inbox(folder.path, Durability::power, kSmall);
    for (int i = 0; i < 100; ++i) REQUIRE(inbox.append(message(std::to_string(i))).stored);
  }
  Inbox inbox(folder.path, Durability::power, kSmall);
  CHECK(read_all(inbox).size() == 100);
}

TEST_CASE("When the disk is full an append says so and keeps nothing, and has_reserve() said so before") {
  const Folder folder;
  // A limit on the size of files stands for the full disk: what is larger cannot be allocated.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  Inbox inbox(folder.path, Durability::process, kSmall);
  CHECK(inbox.has_reserve());
  rlimit limit = before;
  limit.rlim_cur = kSmall / 2;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  int stored = 0;
  bool warned = false;
  while (stored < 1000 && inbox.append(message("message")).stored) {
    ++stored;
    warned = !inbox.has_reserve();
  }
  const bool still_refused = !inbox.append(message("message")).stored;
  ::setrlimit(RLIMIT_FSIZE, &before);
  CHECK(stored > 10);
  CHECK(stored < 1000);
  CHECK(warned);
  CHECK(still_refused);
  CHECK(read_all(inbox).size() == static_cast<std::size_t>(stored));
  CHECK(inbox.try_reserve());
  CHECK(inbox.append(message("again")).stored);
}

TEST_CASE("One thread appends while another reads and trims, and every message passes once, in order") {
  const Folder folder;
  Inbox inbox(folder.path, Durability::process, kSmall);
  constexpr int kCount = 50'000;
  std::thread producer([&] {
    for (int i = 0; i < kCount; ++i) {
      if (!inbox.append(message(std::to_string(i))).stored) return;
    }
  });
  int expected = 0;
  bool in_order = true;
  while (expected < kCount && in_order) {
    const auto count = inbox.read(false, [&](const Message& m) {
      in_order = in_order && m.payload == std::to_string(expected++);
      return true;
    });
    if (count == 0) std::this_thread::yield();
    inbox.trim(inbox.position());
  }
  producer.join();
  CHECK(in_order);
  CHECK(expected == kCount);
}
