#pragma once
// The texts of the flows that run: shown, checked, and applied when they have changed.
//
// The text that runs is the flow's file as it was read or last applied. What is applied here is written to that file
// first, whole or not at all, so that the next start runs what runs now; where that cannot be, nothing is applied.

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "flow/difference.h"
#include "flow/load.h"

namespace weir::api {

/// What the text of a flow comes to.
struct Checked {
  std::shared_ptr<const flow::Flow> flow;  ///< null: it has errors
  std::vector<flow::Problem> problems;
  flow::FlowDifference difference;  ///< to the one that runs; if there is a flow
};

/// The text is based on another than the one that runs.
class Outdated : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class FlowTexts {
 public:
  /// Lists the flow files, and what is wrong with the list.
  using Files = std::function<std::vector<std::filesystem::path>(std::vector<flow::Problem>&)>;

  /// `engine` and what `options` points to outlive it. `files`: for reload(); empty: there are none.
  FlowTexts(engine::Engine& engine, flow::LoadOptions options, Files files);

  /// The flow that runs under this name. Throws std::invalid_argument.
  std::shared_ptr<const flow::Flow> running(const std::string& flow) const;
  /// Which text it is: what an apply is based on.
  static std::string hash(const std::string& text);
  /// Why what is applied could not be kept; empty: it could.
  static std::string why_not_kept(const flow::Flow& running, const std::string* text = nullptr);

  Checked check(const std::string& flow, const std::string& text);
  /// Checks it, and if it is right applies it and writes it to the flow's file. False: it is what runs. Throws
  /// Outdated, engine::NotApplied and engine::NotNow, and std::invalid_argument if there is no such flow. `checked` has
  /// what check() would have said; if that has no flow, nothing was done.
  bool apply(const std::string& flow, const std::string& text, const std::string& base, const std::string& who,
             Checked& checked);
  /// Reads all flow files again and applies what has changed, whole flows too. False: nothing was applied; a bulletin
  /// and the log say why. Never throws.
  bool reload(const std::string& who);

 private:
  Checked check(const std::shared_ptr<const flow::Flow>& running, const std::string& text);
  std::string load_and_apply(const std::string& who);

  engine::Engine& engine_;
  const flow::LoadOptions options_;
  const Files files_;
  std::mutex applying_;  ///< one at a time, as long as that takes
  std::mutex loading_;   ///< likewise
};

}  // namespace weir::api
