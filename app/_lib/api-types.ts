/** @file What procedures take and return, under the names the pages use. */
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import type { AppRouter } from "@/server/routers/root";

export type Outputs = inferRouterOutputs<AppRouter>;
export type Inputs = inferRouterInputs<AppRouter>;

export type ConversationPage = Outputs["conversations"]["list"];
export type ConversationSummary = ConversationPage["conversations"][number];
export type ConversationTree = Outputs["conversations"]["get"];
export type Conversation = ConversationTree["conversation"];
export type Message = ConversationTree["messages"][number];
export type Feedback = NonNullable<Message["feedback"]>;

type YieldOf<T> = T extends AsyncIterable<infer Y, unknown, unknown> ? Y : never;
/** What a page that watches an answer is told; the event id it travels with is left to the client library. */
export type AnswerUpdate = YieldOf<Outputs["chat"]["stream"]>["data"];
export type TemporaryUpdate = YieldOf<Outputs["chat"]["temporary"]>;
export type NewConversationSettings = NonNullable<Inputs["chat"]["send"]["settings"]>;
export type SamplingOverrides = NonNullable<NewConversationSettings["sampling"]>;
export type AnswerOrigin = Outputs["models"]["explainAnswer"];
export type Sampling = AnswerOrigin["sampling"];

export type Channel = Outputs["models"]["channels"][number];
export type Checkpoint = Outputs["models"]["checkpoints"][number];
export type Engine = Outputs["models"]["engines"][number];
export type Profile = Outputs["account"]["profile"];
export type OwnSession = Outputs["account"]["sessions"][number];
export type ApiKey = Outputs["account"]["apiKeys"][number];
export type ConsentEvent = Outputs["account"]["consentHistory"][number];
export type PeoplePage = Outputs["people"]["list"];
export type Person = PeoplePage["people"][number];
export type Invite = Outputs["people"]["invites"][number];
export type IssuedLink = Outputs["people"]["invite"];
export type InstanceSettings = Outputs["settings"]["read"]["settings"];
export type AuditPage = Outputs["audit"]["list"];
export type AuditRow = AuditPage["rows"][number];
export type AuditVerdict = Outputs["audit"]["verify"];

export type RunPage = Outputs["runs"]["list"];
export type RunSummary = RunPage["runs"][number];
export type RunStatus = RunSummary["status"];
export type RunDetail = Outputs["runs"]["get"];
export type RunCheckpoint = RunDetail["checkpoints"][number];
export type TimelinePage = Outputs["runs"]["timeline"];
export type TimelineRow = TimelinePage["rows"][number];
export type RunMetrics = Outputs["runs"]["metrics"][number];
export type MetricSeries = RunMetrics["series"][number];
export type RunUpdate = YieldOf<Outputs["runs"]["watch"]>["data"];
export type StageDescription = Outputs["runs"]["stages"][number];
export type NewRun = Inputs["runs"]["create"];
export type Dataset = Outputs["datasets"]["list"][number];
export type DatasetPage = Outputs["datasets"]["rows"];
export type Worker = Outputs["workers"]["list"][number];
export type NotificationPage = Outputs["notifications"]["list"];
export type Webhook = Outputs["notifications"]["webhooks"][number];
export type Delivery = Outputs["notifications"]["deliveries"][number];

export type AgreementReport = Outputs["agreement"]["report"];
export type AgreementFigure = NonNullable<AgreementReport["withGold"]>;
export type AgreementChoices = Outputs["agreement"]["choices"];
export type AgreementQuestion = NonNullable<Inputs["agreement"]["report"]>;
export type HardTask = Outputs["agreement"]["hardest"][number];
