import type { Application } from './application.ts';

/** The registered applications; from the configuration, fixed for the life of the process. */
export interface Applications {
  find(id: string): Application | undefined;
  list(): Application[];
}

export function createApplications(applications: Application[]): Applications {
  const byId = new Map(applications.map((application) => [application.id, application]));
  return { find: (id) => byId.get(id), list: () => [...byId.values()] };
}
