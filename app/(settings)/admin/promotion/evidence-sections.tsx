/** @file The evidence behind the gates: who prefers the candidate, what it still can, how the served form differs. */
import { WinRates } from "../evaluations/win-rates";
import { LastEvaluation } from "../runs/_suites/evaluation-section";

type EvidenceSectionsProps = { candidateId: string; opponentId: string };

export function EvidenceSections({ candidateId, opponentId }: EvidenceSectionsProps) {
  return (
    <>
      {candidateId !== opponentId && <WinRates candidateId={candidateId} opponentId={opponentId} />}
      <LastEvaluation checkpointId={candidateId} />
    </>
  );
}
