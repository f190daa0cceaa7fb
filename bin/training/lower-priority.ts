/** @file How far training steps back for everything else on its machine. */
import os from "node:os";

/**
 * Below the web process (0) and its engines (5). Not the lowest there is: at 19 a busy machine leaves next to nothing, and a
 * pause took two minutes there.
 */
const niceness = 10;

/** Of this process; those it starts take it over. Call it before any math thread exists: each takes it from its maker. */
export function lowerPriority(): void {
  os.setPriority(niceness);
}
