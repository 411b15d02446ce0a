#pragma once
// What a processor throws, and what the engine then does. Anything else it throws is taken for a defect: retried,
// then sent to `failure` with a bulletin. Whatever happens, the session is atomic.

#include <stdexcept>

namespace weir {

/// The data is bad and will stay so: the FlowFile goes to `failure`, unchanged, with the message in `error.message`.
class Rejected : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The far side is down: the session is rolled back and tried again, with backoff, for as long as it takes.
class Unavailable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The settings cannot work (a wrong password, a table of another shape): the processor stops, a bulletin says why,
/// its input waits.
class Misconfigured : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace weir
