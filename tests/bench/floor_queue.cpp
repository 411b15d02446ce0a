// floor_queue [COUNT]: the floor of W3. What it costs to hand a word from one thread to another through a bounded ring,
// singly and in batches, and what it costs to wake a thread that sleeps. No durability, no lineage.
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/measure.h"

namespace {

/// A bounded queue for one producer thread and one consumer thread. Each side keeps the other's last seen position, so
/// that the shared cache lines move only when the ring looks full or empty (as in Rigtorp's SPSCQueue).
class Ring {
 public:
  /// Producer only. Appends all of `words`, waiting for room.
  void push(std::span<const std::uint64_t> words) {
    const auto tail = producer_.position.load(std::memory_order_relaxed);
    for (int turns = 0; tail + words.size() - producer_.seen > capacity; wait(turns)) {
      producer_.seen = consumer_.position.load(std::memory_order_acquire);
    }
    for (std::size_t i = 0; i < words.size(); ++i) words_[(tail + i) % capacity] = words[i];
    producer_.position.store(tail + words.size(), std::memory_order_release);
  }

  /// Consumer only. Takes between one word and as many as fit into `words`, waiting for the first.
  std::size_t pop(std::span<std::uint64_t> words) {
    const auto head = consumer_.position.load(std::memory_order_relaxed);
    for (int turns = 0; consumer_.seen == head; wait(turns))
      consumer_.seen = producer_.position.load(std::memory_order_acquire);
    const auto count = std::min(words.size(), consumer_.seen - head);
    for (std::size_t i = 0; i < count; ++i) words[i] = words_[(head + i) % capacity];
    consumer_.position.store(head + count, std::memory_order_release);
    return count;
  }

 private:
  static constexpr std::size_t capacity = 8192;

  /// Spins, and after a while lets others run: the machine may have fewer free cores than this has threads.
  static void wait(int& turns) {
    if (++turns % 1024 == 0) std::this_thread::yield();
  }

  /// What one thread writes, on a cache line of its own.
  struct alignas(64) Side {
    std::atomic<std::size_t> position = 0;
    std::size_t seen = 0;  // The other side's position, when this one last looked.
  };

  Side producer_;
  Side consumer_;
  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(capacity);
};

constexpr std::size_t largest_batch = 256;

/// The cores that this process may use.
std::vector<int> allowed_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  return cores;
}

/// Keeps the calling thread on `core`: two threads that happen to share a core take turns, and then neither a hop
/// between cores is measured nor the waking of a thread that sleeps.
void pin_to(int core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  sched_setaffinity(0, sizeof one, &one);
}

/// Sends `count` words in batches of `batch` to a thread on `other_core`; nanoseconds a word.
double hop_ns(std::uint64_t count, std::size_t batch, int other_core) {
  const auto ring = std::make_unique<Ring>();
  std::uint64_t sum = 0;
  const auto start = std::chrono::steady_clock::now();
  {
    const std::jthread consumer([&] {
      pin_to(other_core);
      std::array<std::uint64_t, largest_batch> words{};
      for (std::uint64_t taken = 0; taken < count;) {
        const auto got = ring->pop(std::span(words).first(batch));
        for (std::size_t i = 0; i < got; ++i) sum += words[i];
        taken += got;
      }
    });
    std::array<std::uint64_t, largest_batch> words{};
    for (std::uint64_t sent = 0; sent < count; sent += batch) {
      for (std::size_t i = 0; i < batch; ++i) words[i] = sent + i;
      ring->push(std::span(words).first(batch));
    }
  }
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  if (sum != count * (count - 1) / 2) throw std::logic_error("the ring lost or repeated a word");
  return elapsed.count() / static_cast<double>(count);
}

/// This thread and one on `other_core` wake each other in turn; the median microseconds from notify to running.
double wake_us(int turns, int other_core) {
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;
  std::vector<double> microseconds;
  const auto play = [&](int player) {
    auto last = std::chrono::steady_clock::now();
    for (int i = 0; i < turns; ++i) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return turn % 2 == player; });
      ++turn;
      const auto now = std::chrono::steady_clock::now();
      // A round trip is two wakings.
      if (player == 0 && i > 0)
        microseconds.push_back(std::chrono::duration<double, std::micro>(now - last).count() / 2);
      last = now;
      lock.unlock();
      changed.notify_one();
    }
  };
  {
    const std::jthread other([&] {
      pin_to(other_core);
      play(1);
    });
    play(0);
  }
  std::ranges::nth_element(microseconds, microseconds.begin() + turns / 2);
  return microseconds[static_cast<std::size_t>(turns / 2)];
}

}  // namespace

int main(int argc, char** argv) try {
  // A whole number of batches.
  const auto count = (argc > 1 ? std::stoull(argv[1]) : 20'000'000) / largest_batch * largest_batch;
  const auto cores = allowed_cores();
  if (cores.empty()) throw std::runtime_error("cannot tell which cores may be used");
  const int other_core = cores.back();
  pin_to(cores.front());
  const weir::bench::Measurement measurement;
  const auto single = hop_ns(count, 1, other_core);
  const auto batched = hop_ns(count, largest_batch, other_core);
  const auto wake = wake_us(5000, other_core);
  std::printf(R"({"name":"queue","count":%llu,"hop_ns":%.2f,"hop_batched_ns":%.2f,"batch":%zu,"wake_us":%.1f,)"
              R"("wall_s":%.3f,"cpu_s":%.3f,"peak_rss_kib":%lld})"
              "\n",
              static_cast<unsigned long long>(count), single, batched, largest_batch, wake, measurement.wall_seconds(),
              measurement.cpu_seconds(), static_cast<long long>(weir::bench::peak_rss_kib()));
  return 0;
} catch (const std::exception& error) {
  std::cerr << "floor_queue: " << error.what() << '\n';
  return 1;
}
