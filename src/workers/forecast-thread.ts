import { createForecastDesk } from '../forecast/desk.ts';
import { serveRequests } from './serve-requests.ts';

serveRequests(createForecastDesk());
