// What opens beside the graph, as one file.
export { ConnectionPanel } from './connection-panel';
export { ProcessorPanel } from './processor-panel';
