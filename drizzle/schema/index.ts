/** @file All tables, for Drizzle. */
export * from "./cases";
export * from "./chat";
export * from "./evaluation";
export * from "./label";
export * from "./live";
export * from "./models";
export * from "./people";
export * from "./promote";
export * from "./runs";
export * from "./system";
