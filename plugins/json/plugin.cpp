// Processors that take JSON apart, put it together, and sort out what repeats.

#include "weir/plugin.h"
#include "deduplicate.h"
#include "flatten_json.h"
#include "merge_records.h"
#include "split_json.h"

WEIR_PLUGIN(weir::type<weir::json::SplitJson>(weir::json::split_json_spec()),
            weir::type<weir::json::FlattenJson>(weir::json::flatten_json_spec()),
            weir::type<weir::json::MergeRecords>(weir::json::merge_records_spec()),
            weir::type<weir::json::Deduplicate>(weir::json::deduplicate_spec()))
