/** @file Writing prompts stands among the pages beside the chat, as a labeler's own work does. */
export { default } from "../work/layout";
