import type { Router } from 'express';
import { mountQuery } from '../route.ts';
import { answerAboutLabels, type LabelQuestionDeps } from './label-question.ts';

/** `GET|POST /api/v1/labels`: label names. */
export function labelsRoute(router: Router, deps: LabelQuestionDeps): void {
  mountQuery(router, '/api/v1/labels', deps.limits.requestBytes, (request, response) =>
    answerAboutLabels(request, response, deps, {
      find: (reader, ...question) => reader.labelNames(...question),
      toJson: (name) => JSON.stringify(name),
      mayBeAll: true,
    }),
  );
}
