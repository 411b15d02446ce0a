#pragma once
// For tests: a bucket in memory, with conditions and uploads in parts as Amazon S3 documents them, behind a network in
// which requests and answers are lost and requests arrive late, after others that were sent long after them.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::s3 {

class MemoryStore {
 public:
  explicit MemoryStore(std::uint32_t seed) : random_(seed) {}
  ~MemoryStore();
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  /// The way of one Weir to the store, until it is cut.
  class Door {
   public:
    Door(MemoryStore& store, int percent_of_faults);
    ~Door();
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;
    /// The properties of an S3Sink.
    std::string properties() const;
    void cut();
    /// The so-manieth request from now on is the last, and the store has done it, or has not seen it.
    void cut_at(int request, bool done);
    void set_faults(int percent) { percent_ = percent; }

   private:
    void accept();
    void serve(int client);

    MemoryStore& store_;
    std::atomic<int> percent_;
    std::atomic<int> left_ = -1;
    bool last_is_done_ = false;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> cut_ = false;
    std::mutex mutex_;
    std::set<int> clients_;             ///< under the lock
    std::vector<std::thread> threads_;  ///< of the acceptor, until it has ended
    std::thread acceptor_;
  };

  /// As it answers from now on; empty: it does not say.
  void call_itself(const std::string& name);
  /// So many of the uploads that are ended next lose their parts, and every other one is lost itself, without an
  /// answer, as in MinIO when it is killed then.
  void lose_uploads(int count) { to_lose_ = count; }
  /// So many of the uploads that are ended next are there after that, without parts and without an answer.
  void leave_uploads(int count) { to_leave_ = count; }
  /// So many writes of how far a lane is, next.
  void refuse_progress(int count) { to_refuse_ = count; }
  /// All objects, as a reader does that moves them away.
  void take_objects();
  /// As its operator would: those that have none.
  void abort_uploads_without_parts();
  std::size_t uploads();
  /// What is still on its way arrives.
  void deliver_late();
  std::map<std::string, std::string> objects();
  /// That were there at a time.
  std::size_t most_objects();
  int faults() const { return faults_; }

 private:
  enum class Fault { none, error, error_after, lost, no_answer, late, page, error_in_200 };
  struct Request {
    std::string method;
    std::string key;
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
  };
  struct Answer {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
  };
  struct Object {
    std::string bytes;
    std::string etag;
    std::map<std::string, std::string> metadata;
  };
  struct Upload {
    std::string key;
    std::map<int, Object> parts;
    std::map<std::string, std::string> metadata;
  };

  static std::optional<Request> read(int client, std::string& rest);
  static void write(int client, const Answer& answer, bool head);
  static Answer error(int status, const std::string& code);
  /// Nothing: there is no answer.
  std::optional<Answer> handle(const Request& request, int percent);
  /// As it was asked to; nothing: it was not.
  std::optional<std::optional<Answer>> trouble(const Request& request);
  Answer perform(const Request& request);
  Answer put(const Request& request, Object object);
  Answer end(const Request& request);
  Answer list(const Request& request) const;

  std::atomic<int> faults_ = 0;
  std::atomic<int> to_lose_ = 0;
  std::atomic<int> to_leave_ = 0;
  std::atomic<int> to_refuse_ = 0;
  std::mutex mutex_;  ///< guards all below
  std::mt19937 random_;
  std::map<std::string, Object> objects_;
  std::size_t most_objects_ = 0;
  std::map<std::string, Upload> uploads_;
  std::vector<Request> late_;
  std::string name_;
  int next_upload_ = 1;
};

}  // namespace weir::s3
