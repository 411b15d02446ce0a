#pragma once
// Uploads complete files in threads of its own, and goes on trying.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client.h"
#include "weir/context.h"

namespace weir::s3 {

struct UploadOptions {
  ConnectionSettings connection;
  ObjectOptions object;
  std::uint64_t part_size = 16 * MiB;
  std::uint64_t multipart_from = 32 * MiB;
  unsigned threads = 4;
};

struct Upload {
  std::uint64_t number = 0;
  std::string key;
  std::string path;        ///< of the file
  std::string owner;       ///< stored with the object, so that it is known again as ours
  std::uint64_t size = 0;  ///< about; for the backlog
  bool only_new = true;    ///< never over an object that somebody else wrote
  bool again = false;      ///< may have been uploaded by an earlier run
};

/// What became of an upload.
struct Uploaded {
  std::uint64_t number = 0;
  bool taken = false;  ///< the key belongs to somebody else's object: nothing was written
};

/// The owner's functions are for any thread. What cannot succeed (wrong keys, no bucket) stops all uploads; what the
/// far side may overcome is tried again for as long as it takes, with growing pauses.
class Uploader {
 public:
  /// `changed` is called, from the threads, whenever there is a result or all have stopped.
  Uploader(UploadOptions options, std::shared_ptr<CredentialChain> credentials, Context context,
           std::function<void()> changed);
  /// Gives up what is under way, and waits for the threads.
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  void submit(Upload upload);
  /// Submitted, and its result not yet taken.
  bool has(std::uint64_t number) const;
  std::vector<Uploaded> take_results();
  std::uint64_t waiting_bytes() const;
  /// Throws Misconfigured if uploads have stopped.
  void check() const;
  /// The latest failure; empty while uploads work.
  std::string trouble() const;
  /// Until something changes, poke() is called, or the time is over.
  void wait(std::chrono::milliseconds at_most);
  void poke();

 private:
  enum class Condition { unknown, honoured, ignored };

  void work();
  bool upload(Client& client, const Upload& upload);
  Client::Put write(Client& client, const Upload& upload, int file, std::uint64_t size, bool only_new);
  Client::Put write_parts(Client& client, const Upload& upload, int file, std::uint64_t size,
                          const ObjectOptions& options, bool only_new);
  void probe(Client& client, const Upload& upload, int file, std::uint64_t size);
  void failed(const std::string& message, int attempt);

  UploadOptions options_;
  std::shared_ptr<CredentialChain> credentials_;
  Context context_;
  std::function<void()> changed_;
  std::atomic<bool> stopping_{false};
  std::atomic<Condition> condition_{Condition::unknown};
  Metric objects_;
  Metric bytes_;
  Metric failures_;
  Metric backlog_;

  mutable std::mutex lock_;
  std::condition_variable work_;
  std::condition_variable change_;
  std::deque<Upload> queue_;                      ///< under lock_, as all that follows
  std::map<std::uint64_t, std::uint64_t> known_;  ///< size by number
  std::vector<Uploaded> results_;
  std::uint64_t waiting_bytes_ = 0;
  std::uint64_t changes_ = 0;
  std::string broken_;   ///< why uploads have stopped
  std::string trouble_;  ///< why the latest attempt failed
  std::vector<std::thread> threads_;
};

}  // namespace weir::s3
