#pragma once
// Tells an OpenLineage endpoint what the flows do: START, RUNNING each interval, and at the end COMPLETE or FAIL. On a
// thread of its own: an endpoint that does not answer costs the data nothing. Events wait, the oldest of them go.

#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "api/catalogue.h"
#include "tls/tls.h"

namespace weir::api {

struct LineageOptions {
  std::string url;  ///< http://HOST[:PORT]/PATH, or https://; empty: nobody is told
  std::string name_space = "weir";
  std::string api_key;      ///< sent as a bearer token; empty: none
  std::string authorities;  ///< for https: a file of certificates in PEM; empty: those that the system trusts
  std::chrono::seconds interval{60};

  /// From the command line, or else the environment. Throws std::invalid_argument with what is wrong.
  static LineageOptions from(const std::string& url);
};

class LineagePoster {
 public:
  static constexpr std::size_t kMostWaiting = 100;

  /// Engine and catalogue outlive it. Throws std::runtime_error if TLS is asked for and cannot be had.
  LineagePoster(const engine::Engine& engine, const Catalogue& catalogue, std::string version, LineageOptions options);
  /// Says how it ended, and waits some seconds at most until that is sent.
  ~LineagePoster();
  LineagePoster(const LineagePoster&) = delete;
  LineagePoster& operator=(const LineagePoster&) = delete;

 private:
  struct LookUp;
  void loop();
  void tell(const std::string& type, const std::string& why);
  /// False: what waits has to wait on.
  bool send_waiting(std::chrono::milliseconds patience,
                    std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max());
  void post(const std::string& body, std::chrono::milliseconds patience);

  const engine::Engine& engine_;
  const Catalogue& catalogue_;
  const std::string version_;
  const LineageOptions options_;
  std::unique_ptr<tls::Client> tls_;  ///< null: plain HTTP
  /// The two are of the thread, and of the destructor when that has ended.
  std::deque<std::string> waiting_;
  std::unique_ptr<LookUp> look_up_;  ///< of the endpoint's addresses, while it is under way
  bool complained_ = false;
  std::mutex mutex_;
  std::condition_variable awake_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace weir::api
