// Aggregates over windows of event time.
//
//   windows.h       which window a time belongs to        watermark.h     how far event time has come
//   accumulator.h   what is kept of a window's readings   window_store.h  windows by key, in the durable state
//   windowed.h      the steps that all of them share

#include "weir/plugin.h"

#include "window_aggregate.h"
#include "window_mean.h"

WEIR_PLUGIN(weir::type<weir::window::WindowMean>(weir::window::window_mean_spec()),
            weir::type<weir::window::WindowAggregate>(weir::window::window_aggregate_spec()))
